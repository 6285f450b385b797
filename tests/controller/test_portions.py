"""Which errors of a database come from the statement, and which from the database being away or busy."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from backend.db.portions import IDS_AT_ONCE, is_over_limit, portions


def test_ids_come_in_portions_and_none_is_left_out() -> None:
    ids = [str(number) for number in range(2 * IDS_AT_ONCE + 1)]
    found = list(portions(ids))
    assert [len(portion) for portion in found] == [IDS_AT_ONCE, IDS_AT_ONCE, 1]
    assert [one for portion in found for one in portion] == ids
    assert list(portions([])) == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sqlite3.OperationalError("too many SQL variables"), True),
        (psycopg.errors.ProgramLimitExceeded("index row size 2712 exceeds the maximum"), True),
        (psycopg.OperationalError("sending query and params failed: number of parameters must be between 0 and"), True),
        (sqlite3.OperationalError("database is locked"), False),
        (sqlite3.OperationalError("database or disk is full"), False),
        (sqlite3.OperationalError("no such table: runs"), False),
        (psycopg.OperationalError("FATAL: sorry, too many clients already"), False),
        (psycopg.errors.DiskFull("could not extend file"), False),
        (psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"), False),
    ],
)
def test_only_a_statement_beyond_a_limit_is_over_one(error: Exception, expected: bool) -> None:
    assert is_over_limit(OperationalError("SELECT", {}, error)) is expected
    assert not is_over_limit(error)
