"""The one function that changes a status: its whole table, on both databases."""

from __future__ import annotations

import itertools
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backend.db.session import Database
from backend.db.tables import Attempt, Run, RunEvent
from backend.errors import Conflict
from backend.runs.creation import NewRow, insert_run
from backend.runs.transitions import change_status
from worker.contract.config import RunConfig
from worker.contract.status import TRANSITIONS, Actor, RunStatus

EVERYTHING = list(itertools.product(RunStatus, RunStatus, Actor))


def insert(database: Database, status: RunStatus) -> str:
    with database.write() as session:
        run = insert_run(session, NewRow(config=RunConfig()), at=datetime.now(UTC))
        run.status = status.value
        run.claim_id = "claim" if status.is_live else None
        return run.id


def load(database: Database, run_id: str) -> Run:
    with database.read() as session:
        run = session.get(Run, run_id)
        assert run is not None
        return run


def test_every_change_is_allowed_or_refused_as_the_table_says(database: Database) -> None:
    for before, to, by in EVERYTHING:
        run_id = insert(database, before)
        if by in TRANSITIONS.get((before, to), ()):
            with database.write() as session:
                assert change_status(session, session.get_one(Run, run_id), to=to, by=by)
            assert load(database, run_id).status == to
        else:
            with pytest.raises(Conflict, match=f"is {before.value}"), database.write() as session:
                change_status(session, session.get_one(Run, run_id), to=to, by=by)
            assert load(database, run_id).status == before


def test_what_may_happen_at_all_is_what_the_design_lists() -> None:
    """Written out, so that a change of the table is seen."""
    allowed = {f"{before.value} -> {to.value}": sorted(actors) for (before, to), actors in TRANSITIONS.items()}
    forced = ["controller", "holder"]
    assert allowed == {
        "paused -> queued": ["api"],
        "failed -> queued": ["api"],
        "stopped -> queued": ["api"],
        "queued -> paused": ["api"],
        "queued -> stopped": ["api"],
        "paused -> stopped": ["api"],
        "queued -> starting": ["controller"],
        "starting -> running": ["holder"],
        **{f"{live} -> {to}": forced for live in ("starting", "running") for to in ("paused", "queued", "stopped")},
        **{f"{live} -> failed": forced for live in ("starting", "running")},
        **{f"{live} -> completed": ["holder"] for live in ("starting", "running")},
    }


@pytest.mark.parametrize(
    ("before", "to", "by"), [(*pair, by) for pair, actors in TRANSITIONS.items() for by in sorted(actors)]
)
def test_attempts_grow_exactly_where_a_holder_is_fenced_off(
    tmp_path: Path, migrated_file: Path, before: RunStatus, to: RunStatus, by: Actor
) -> None:
    path = shutil.copy(migrated_file, tmp_path / "resdrop.db")
    database = Database(f"sqlite:///{path}")
    run_id = insert(database, before)
    with database.write() as session:
        change_status(session, session.get_one(Run, run_id), to=to, by=by)
    run = load(database, run_id)
    is_fenced = to is RunStatus.QUEUED or (before.is_live and by is Actor.CONTROLLER)
    assert run.attempt == (2 if is_fenced else 1)
    with database.read() as session:
        assert (session.get(Attempt, (run_id, 2)) is not None) == is_fenced
    database.close()


@pytest.mark.parametrize("moved", [{"attempt": 2}, {"status": "paused"}])
def test_who_is_overtaken_changes_nothing(database: Database, moved: dict[str, object]) -> None:
    run_id = insert(database, RunStatus.QUEUED)
    stale = load(database, run_id)
    with database.write() as session:
        for name, value in moved.items():
            setattr(session.get_one(Run, run_id), name, value)
    with database.write() as session:
        assert not change_status(session, stale, to=RunStatus.STARTING, by=Actor.CONTROLLER, claim_id="late")
    run = load(database, run_id)
    assert {name: getattr(run, name) for name in moved} == moved
    assert run.claim_id is None


def test_the_history_names_both_ends_of_a_change_and_its_reason(database: Database) -> None:
    run_id = insert(database, RunStatus.RUNNING)
    with database.write() as session:
        run = session.get_one(Run, run_id)
        change_status(session, run, to=RunStatus.FAILED, by=Actor.HOLDER, reason="out of memory")
    with database.read() as session:
        events = session.query(RunEvent).filter_by(run_id=run_id).order_by(RunEvent.id).all()
    assert [(event.before, event.after, event.text) for event in events] == [
        (None, "queued", ""),
        ("running", "failed", "out of memory"),
    ]
