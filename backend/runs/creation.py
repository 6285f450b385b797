"""New rows of runs."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from backend.db.changes import note_change
from backend.db.tables import Attempt, Run, RunEvent
from backend.errors import BadInput
from backend.runs.configs import stored_config
from worker.contract.config import RunConfig
from worker.contract.errors import field_errors
from worker.contract.status import Desired, RunStatus

# No capitals: checkpoints lie in folders of these names, and not every file system tells them apart.
_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class NewRow:
    """`name` None or empty takes one from the configuration; `after_id` is the run that has to be final before."""

    config: RunConfig
    name: str | None = None
    tags: list[str] = field(default_factory=list)
    notes: str = ""
    comparison_id: str | None = None
    arm: str | None = None
    after_id: str | None = None


def new_id(prefix: str) -> str:
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(8))}"


def insert_run(session: Session, row: NewRow, *, at: datetime) -> Run:
    """A queued run with its first attempt."""
    run_id = new_id("r")
    run = Run(
        id=run_id,
        name=row.name or default_name(row.config),
        tags=row.tags,
        notes=row.notes,
        config=stored_config(row.config),
        status=RunStatus.QUEUED.value,
        desired=Desired.RUN.value,
        attempt=1,
        revision=1,
        comparison_id=row.comparison_id,
        arm=row.arm,
        after_id=row.after_id,
        created_at=at,
        queued_at=at,
        change=note_change(session, "run", run_id),
    )
    session.add(run)
    session.flush()
    session.add(Attempt(run_id=run.id, attempt=1, created_at=at))
    session.add(RunEvent(run_id=run.id, at=at, attempt=1, kind="status", after=run.status))
    session.flush()
    return run


def default_name(config: RunConfig) -> str:
    arm = ", stochastic depth" if config.sd else ""
    return f"{config.dataset.value} ResNet-{int(config.depth)}{arm}, seed {config.seed}"


def valid_config(stored: dict[str, Any]) -> RunConfig:
    """Raises BadInput where a configuration of an older version is not valid any more."""
    try:
        return RunConfig.model_validate(stored)
    except ValidationError as error:
        raise BadInput(field_errors(error)) from error
