"""Transactions, alike on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import text, update

from backend.db.changes import current_change, next_change, note_change
from backend.db.session import Database
from backend.db.tables import Run
from backend.runs.creation import NewRow, insert_run
from worker.contract.config import RunConfig


@pytest.fixture
def run_id(database: Database) -> str:
    with database.write() as session:
        return insert_run(session, NewRow(config=RunConfig()), at=datetime.now(UTC)).id


def test_writers_that_take_their_locks_in_opposite_orders_wait_for_each_other(database: Database, run_id: str) -> None:
    def write(number: int) -> None:
        with database.write() as session:
            if number % 2:
                next_change(session)
            session.execute(update(Run).where(Run.id == run_id).values(step=Run.step + 1))
            note_change(session, "run", run_id)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(60)))
    with database.read() as session:
        assert session.get_one(Run, run_id).step == 60
        assert current_change(session) == 61


def test_a_view_stays_as_it_was_when_it_was_opened(database: Database, run_id: str) -> None:
    """A snapshot and the change number that it carries belong together."""
    with database.read() as session:
        before = current_change(session)
        with database.write() as other:
            other.get_one(Run, run_id).name = "renamed"
            note_change(other, "run", run_id)
        assert session.get_one(Run, run_id).name != "renamed"
        assert current_change(session) == before


def test_an_error_leaves_nothing_behind(database: Database, run_id: str) -> None:
    def fail_half_way() -> None:
        with database.write() as session:
            session.get_one(Run, run_id).name = "half done"
            note_change(session, "run", run_id)
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with database.read() as session:
        assert session.get_one(Run, run_id).name != "half done"
        assert current_change(session) == 1


def test_times_come_back_in_utc(database: Database, run_id: str) -> None:
    with database.read() as session:
        created = session.get_one(Run, run_id).created_at
    assert created.tzinfo is not None
    assert abs((datetime.now(UTC) - created).total_seconds()) < 60


def test_every_commit_is_synced(database: Database) -> None:
    """What a user was answered for is not to be lost with the power; 2 is FULL, which syncs SQLite's log."""
    asked = "PRAGMA synchronous" if database.is_sqlite else "SHOW synchronous_commit"
    with database.write() as session:
        assert session.execute(text(asked)).scalar_one() in (2, "on")
