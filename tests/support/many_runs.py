"""Many runs at once, put into a service's database beside it as its own code would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.compare.design import NewComparison
from backend.compare.service import launch_comparison
from backend.db.changes import note_change
from backend.db.session import Database
from backend.db.tables import Run
from backend.metrics.ingest import store_points
from backend.runs.creation import NewRow, insert_run
from tests.support.service import QUICK_CONFIG
from worker.contract.config import RunConfig
from worker.contract.messages import Point


@dataclass(frozen=True)
class Made:
    """A run that is over. `age` is how many minutes ago it was launched."""

    name: str
    age: float
    status: str = "completed"
    tags: list[str] = field(default_factory=list)
    notes: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    points: int = 0


def insert_runs(home: Path, runs: Sequence[Made]) -> list[str]:
    """Their ids, in the same order."""
    database = Database(f"sqlite:///{home / 'resdrop.db'}")
    now = datetime.now(UTC)
    ids: list[str] = []
    try:
        with database.write() as session:
            for made in runs:
                config = RunConfig.model_validate({**QUICK_CONFIG, **made.settings})
                row = NewRow(config=config, name=made.name, tags=made.tags, notes=made.notes)
                run = insert_run(session, row, at=now - timedelta(minutes=made.age))
                _complete(session, run, status=made.status, points=made.points)
                ids.append(run.id)
    finally:
        database.close()
    return ids


def _complete(session: Session, run: Run, *, status: str = "completed", points: int = 0) -> None:
    """In the transaction that made it, so that no worker ever hears of it."""
    over = {"status": status, "finished_at": datetime.now(UTC), "epoch": float(run.config["epochs"])}
    session.execute(update(Run).where(Run.id == run.id).values(**over, change=note_change(session, "run", run.id)))
    session.refresh(run)
    if points:
        store_points(session, run, attempt=1, points=_curve(points))


def _curve(count: int) -> list[Point]:
    now = datetime.now(UTC)
    return [
        Point(
            step=step,
            epoch=step / 10,
            elapsed_seconds=float(step),
            at=now,
            values={"train/loss": 2 / step, "val/top1": 100 - 50 / step, "lr": 0.1},
        )
        for step in range(1, count + 1)
    ]


def insert_comparison(home: Path, *, name: str, seeds: str, points: int = 0, **design: Any) -> tuple[str, list[str]]:
    """A comparison whose runs are all completed: its id and theirs. `design` has its arms, template or plan."""
    database = Database(f"sqlite:///{home / 'resdrop.db'}")
    try:
        with database.write() as session:
            new = NewComparison.model_validate({"name": name, "seeds": seeds, "config": QUICK_CONFIG} | design)
            comparison = launch_comparison(session, new)
            of_it = select(Run).where(Run.comparison_id == comparison.id).order_by(Run.created_at)
            runs = session.execute(of_it).scalars().all()
            for run in runs:
                _complete(session, run, points=points)
            return comparison.id, [run.id for run in runs]
    finally:
        database.close()


def set_columns(home: Path, run_id: str, **values: Any) -> None:
    """Makes of a run that is over what a test needs."""
    database = Database(f"sqlite:///{home / 'resdrop.db'}")
    try:
        with database.write() as session:
            change = note_change(session, "run", run_id)
            session.execute(update(Run).where(Run.id == run_id).values(**values, change=change))
    finally:
        database.close()
