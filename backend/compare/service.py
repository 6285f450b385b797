"""Launching a comparison."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

from backend.db.changes import note_change
from backend.db.tables import Comparison, Run
from backend.runs.configs import check_config
from backend.runs.creation import NewRow, insert_run, new_id
from backend.runs.inputs import MAX_NAME, Body, Name, Notes, Seeds, Tags
from worker.contract.config import RunConfig

FACTOR = "sd"
#: The factor's values, in the order in which they are trained.
ARMS = {"baseline": False, "sd": True}
_ARM_TITLES = {"baseline": "baseline", "sd": "stochastic depth"}


class Mode(StrEnum):
    """Sequential: each run waits until the one before is final. Parallel: all at once, as devices are free."""

    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"


class NewComparison(Body):
    """`sd` and `seed` of the configuration are passed over: the comparison sets them. Each of its runs gets the tags
    and the notes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "digits", "config": {"dataset": "digits", "epochs": 5}, "seeds": [0, 1], "mode": "sequential"}
            ]
        }
    )

    name: Name | None = None
    config: RunConfig
    seeds: Seeds = Field(default=[0])
    mode: Mode = Mode.SEQUENTIAL
    tags: Tags = Field(default=[])
    notes: Notes = ""


def launch_comparison(session: Session, new: NewComparison) -> Comparison:
    """A baseline and its twin with stochastic depth for each seed. Raises BadInput where the images are not there."""
    check_config(session, new.config)
    now = datetime.now(UTC)
    comparison = Comparison(
        id=new_id("c"),
        name=new.name or default_name(new),
        factor=FACTOR,
        mode=new.mode.value,
        seeds=list(new.seeds),
        created_at=now,
    )
    comparison.change = note_change(session, "comparison", comparison.id)
    session.add(comparison)
    session.flush()
    previous: Run | None = None
    for index, (seed, arm) in enumerate((seed, arm) for seed in new.seeds for arm in ARMS):
        row = NewRow(
            config=twin(new.config, seed=seed, arm=arm),
            name=_run_name(comparison.name, seed=seed, arm=arm),
            tags=list(new.tags),
            notes=new.notes,
            comparison_id=comparison.id,
            arm=arm,
            after_id=previous.id if previous is not None and new.mode is Mode.SEQUENTIAL else None,
        )
        # The queue is ordered by time; rows of one instant would be trained in any order.
        previous = insert_run(session, row, at=now + timedelta(microseconds=index))
    return comparison


def default_name(new: NewComparison) -> str:
    return f"{new.config.dataset.value} ResNet-{int(new.config.depth)}"


def twin(config: RunConfig, *, seed: int, arm: str) -> RunConfig:
    """`config` for one run: alike in everything but seed and factor."""
    return RunConfig.model_validate(config.model_dump() | {"seed": seed, FACTOR: ARMS[arm]})


def _run_name(name: str, *, seed: int, arm: str) -> str:
    suffix = f" · {_ARM_TITLES[arm]} · seed {seed}"
    return name[: MAX_NAME - len(suffix)] + suffix
