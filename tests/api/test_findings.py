"""What /health and /workers say is the matter, with value, limit and remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from backend.cli.status import _tell_service
from backend.db.tables import ControllerPulse, Ringing, Run, SetAside
from tests.api.house import House
from worker.contract import CONTRACT


@pytest.fixture
def database_url(new_database: Callable[[str], str]) -> str:
    return new_database("sqlite")


def findings(house: House) -> dict[str, dict[str, Any]]:
    return {found["code"]: found for found in house.api.get("/health")["findings"]}


@contextmanager
def full(server: redis.Redis) -> Iterator[None]:
    server.config_set("maxmemory", "100000")
    try:
        yield
    finally:
        server.config_set("maxmemory", "0")


def test_a_full_redis_is_named_with_its_limit_and_no_worker_is_missed_meanwhile(
    house: House, redis_client: redis.Redis
) -> None:
    house.pulse()
    assert set(findings(house)) == {"no_worker"}
    with full(redis_client):
        found = findings(house)
        health = house.api.get("/health")
    assert set(found) == {"redis_full"}
    detail = found["redis_full"]["detail"]
    assert "MB of at most 0.1 MB (maxmemory) and takes no writes. Raise maxmemory" in detail
    assert "pause and stop reach it" in detail
    assert (health["status"], health["redis"]) == ("degraded", detail)
    assert set(findings(house)) == {"no_worker"}


def test_a_redis_that_may_throw_keys_away_is_warned_of(house: House, redis_client: redis.Redis) -> None:
    house.pulse()
    house.worker(contract=CONTRACT)
    redis_client.config_set("maxmemory", "1000000000")
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        health = house.api.get("/health")
    finally:
        redis_client.config_set("maxmemory", "0")
        redis_client.config_set("maxmemory-policy", "noeviction")
    (found,) = health["findings"]
    assert (found["code"], health["status"], health["redis"]) == ("redis_evicts", "ok", "ok")
    assert "maxmemory-policy is allkeys-lru" in found["detail"]


def test_a_queued_run_says_that_redis_takes_no_writes(house: House) -> None:
    run_id = house.api.launch()
    with house.database.write() as session:
        session.merge(ControllerPulse(id=1, seen_at=datetime.now(UTC), set_aside=0, redis_refuses="it is full"))
    assert house.api.run(run_id)["waiting_for"] == (
        "Redis, which takes no writes, so that no worker can be heard: it is full"
    )


def test_runs_that_no_worker_takes_are_named(house: House) -> None:
    house.pulse()
    house.worker(contract=CONTRACT)
    run_id = house.api.launch(name="stuck")
    until = datetime.now(UTC) + timedelta(seconds=20)
    with house.database.write() as session:
        session.add(Ringing(run_id=run_id, attempt=1, unanswered=3, passed_over_until=until, refusals={}))
    (found,) = house.api.get("/health")["findings"]
    assert found["code"] == "runs_not_taken"
    assert f"stuck ({run_id}, 3 times)" in found["detail"]
    assert "it was offered to free workers 3 times and none of them took it" in house.api.run(run_id)["waiting_for"]
    with house.database.write() as session:
        session.get_one(Run, run_id).attempt = 2
    assert house.api.get("/health")["findings"] == []


def test_what_was_set_aside_lately_is_told_with_the_last_reason(house: House) -> None:
    house.pulse()
    house.worker(contract=CONTRACT)
    with house.database.write() as session:
        for why, at in (("old", datetime.now(UTC) - timedelta(days=3)), ("it is no JSON", datetime.now(UTC))):
            session.add(SetAside(at=at, entry_id="1-1", why=why, message="x"))
    health = house.api.get("/health")
    (found,) = health["findings"]
    assert (found["code"], found["severity"], health["status"]) == ("set_aside", "warning", "ok")
    assert found["detail"].startswith("1 message or task was set aside within a day")
    assert "it is no JSON" in found["detail"]


@pytest.mark.parametrize(
    ("kept", "counted", "told"),
    [
        (3, 0, "3 messages or tasks were set aside within a day because"),
        (3, 3, "3 messages or tasks were set aside within a day because"),
        (1002, 30339, "30339 messages or tasks were set aside so far, at least 1002 of them within a day, because"),
    ],
)
def test_more_than_are_kept_are_counted_all_the_same(house: House, kept: int, counted: int, told: str) -> None:
    house.worker(contract=CONTRACT)
    now = datetime.now(UTC)
    with house.database.write() as session:
        session.merge(ControllerPulse(id=1, seen_at=now, set_aside=counted))
        session.add_all(SetAside(at=now, entry_id="1-1", why="it is no JSON", message="x") for _ in range(kept))
    (found,) = house.api.get("/health")["findings"]
    assert found["detail"].startswith(told)


def test_workers_are_shown_with_what_they_are_warned_of(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.worker(
        contract=1,
        clock_skews=[-601.0, -600.2, -600.4],
        refusal="run a (r_1): there is no setting 'x'",
        rival={"boot_id": "b", "host": "clone-1", "is_certain": True},
    )
    (worker,) = house.api.get("/workers")["items"]
    assert worker["clock_skew_seconds"] == -600
    clock, version, refusal, rival = worker["warnings"]
    assert clock.startswith("its clock is 600 s behind the service's")
    assert f"which speaks contract 1; the service speaks {CONTRACT}" in version
    assert refusal == "it refused run a (r_1): there is no setting 'x'"
    assert "a second worker with this identity, on clone-1, is refused" in rival
    _tell_service({"health": house.api.get("/health"), "workers": [worker], "queue": []})
    told = capsys.readouterr().out
    assert all(f"  warning: {warning}\n" in told for warning in worker["warnings"])
    assert "error: The controller was not heard of" in told


def test_a_clock_that_is_hardly_off_is_not_told_of(house: House) -> None:
    house.worker(contract=CONTRACT, clock_skews=[-12.0, 4.9])
    (worker,) = house.api.get("/workers")["items"]
    assert (worker["clock_skew_seconds"], worker["warnings"]) == (None, [])
