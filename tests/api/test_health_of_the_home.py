"""What GET /health says of the home's disk and files, and what a database that takes nothing is answered with."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from backend.db.away import explained, is_disk_full
from backend.settings import Settings
from tests.api.house import House
from worker.common.disk import Reserve, room_at
from worker.common.set_aside import set_aside


def told(health: dict[str, Any], code: str) -> list[str]:
    return [finding["detail"] for finding in health["findings"] if finding["code"] == code]


def test_what_was_set_aside_is_named_until_it_is_removed(house: House) -> None:
    logs = house.settings.home / "logs"
    logs.mkdir(parents=True)
    (logs / "events.jsonl").write_text("{")
    moved = set_aside(logs / "events.jsonl")
    (finding,) = told(house.api.get("/health"), "file_set_aside")
    assert finding.startswith(f"logs/{moved.name} could not be used and was set aside")
    moved.unlink()
    assert told(house.api.get("/health"), "file_set_aside") == []


@pytest.mark.parametrize(
    ("share", "disk", "said"),
    [
        (0.2, "ok", ""),
        (0.5, "ok", "it is getting full"),
        (0.9, "no run is started until there is room; make room there", "no run is started"),
        (1.1, "runs are checkpointed and wait until there is room; make room there", "runs are checkpointed"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_disk_is_told_of_before_it_is_full(settings: Settings, share: float, disk: str, said: str) -> None:
    """Here by a reserve that is a share of what is free. A Postgres has a disk of its own, perhaps elsewhere."""
    free = room_at(settings.home).free_bytes
    short = House(replace(settings, disk_reserve=Reserve(int(free * share))))
    with short.client:
        health = short.api.get("/health")
    assert health["disk"].endswith(disk)
    of_disk = told(health, "disk_full") + told(health, "disk_nearly_full")
    assert [said in finding for finding in of_disk] == ([True] if said else [])
    assert health["status"] == "degraded"  # nobody else is there


def failure(kind: type[DatabaseError], original: Exception) -> DatabaseError:
    return kind("INSERT", {}, original)


class Full(Exception):
    sqlstate = "53100"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (failure(OperationalError, sqlite3.OperationalError("database or disk is full")), 507, "is full; make room"),
        (failure(OperationalError, Full("could not extend file")), 507, "is full; make room there"),
        (
            failure(OperationalError, sqlite3.OperationalError("attempt to write a readonly database")),
            503,
            "cannot be written to",
        ),
        (failure(OperationalError, sqlite3.OperationalError("disk I/O error")), 503, "fails (disk I/O error)"),
        (
            failure(DatabaseError, sqlite3.DatabaseError("database disk image is malformed")),
            503,
            "bring it back from a backup",
        ),
        (failure(OperationalError, sqlite3.OperationalError("database is locked")), 503, "Try again in a few seconds"),
        (failure(IntegrityError, sqlite3.IntegrityError("UNIQUE")), 500, "This should not have happened"),
    ],
)
def test_a_database_that_refuses_is_explained(
    house: House, monkeypatch: pytest.MonkeyPatch, error: DatabaseError, status: int, said: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("backend.runs.routes.launch_run", refuse)
    answer = house.client_that_answers_errors.post("/api/v1/runs", json={"config": {"dataset": "digits"}})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert said in answer.json()["detail"]
    assert is_disk_full(error) == (status == 507)


def test_a_database_that_is_only_locked_needs_no_explanation(settings: Settings) -> None:
    locked = failure(OperationalError, sqlite3.OperationalError("database is locked"))
    assert explained(locked, settings) is None
