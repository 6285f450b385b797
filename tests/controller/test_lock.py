"""One controller at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from backend.controller.lock import ControllerLock, lock_of
from backend.db.session import Database

on_both = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
#: A lock on a file has no connection to lose.
on_postgres = pytest.mark.parametrize("database", ["postgres"], indirect=True)


@pytest.fixture
def other(database: Database) -> Iterator[ControllerLock]:
    """As another process has it."""
    another = Database(database.engine.url.render_as_string(hide_password=False))
    lock = lock_of(another)
    yield lock
    lock.release()
    another.close()


@on_both
def test_the_second_gets_it_when_the_first_lets_go(database: Database, other: ControllerLock) -> None:
    first = lock_of(database)
    assert first.take()
    assert not other.take()
    assert (first.is_held(), other.is_held()) == (True, False)
    first.release()
    assert not first.is_held()
    assert other.take()
    assert not first.take()


@on_postgres
def test_whoever_loses_the_connection_knows_it(database: Database, other: ControllerLock) -> None:
    first = lock_of(database)
    assert first.take()
    with database.engine.connect() as connection:
        holder = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        connection.execute(text(holder))
    assert not first.is_held()
    assert other.take()
    first.release()
