"""A Redis that is there and takes no writes: it is full, its disk is, or it has become a replica."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.jobs.parts import STAND_IN, RedisServer, wait_until
from tests.support.measuring import measured
from tests.support.service import QUICK_CONFIG, Service
from worker.jobs.connection import connect

pytestmark = pytest.mark.fault

#: For what only ends a hang.
PATIENCE = 120.0


@pytest.fixture
def server(redis_server: RedisServer) -> Iterator[redis.Redis]:
    connection = connect(redis_server.url)
    yield connection
    connection.close()


@pytest.fixture
def service(tmp_path: Path, redis_server: RedisServer) -> Iterator[Service]:
    """A whole ResDrop beside a Redis that somebody else looks after; the stand-in takes a trainer's place."""
    environment = {"RESDROP_REDIS_URL": redis_server.url, "RESDROP_TRAINER_COMMAND": STAND_IN}
    started = Service(tmp_path / "home", environment=environment)
    try:
        started.start()
        yield started
    finally:
        started.stop()


def fill(server: redis.Redis, folder: Path) -> Callable[[], None]:  # noqa: ARG001
    server.config_set("maxmemory", "1")
    return lambda: server.config_set("maxmemory", "0")


def take_its_disk(server: redis.Redis, folder: Path) -> Callable[[], None]:
    """It cannot write its dump, and is set to take nothing more then."""
    server.config_set("save", "1 1")
    shutil.rmtree(folder)
    server.set("a change", "that is to be saved")
    wait_for_error(server, "MISCONF")

    def give_it_back() -> None:
        folder.mkdir()
        server.config_set("save", "")

    return give_it_back


def make_a_replica(server: redis.Redis, folder: Path) -> Callable[[], None]:  # noqa: ARG001
    server.replicaof("127.0.0.1", "1")
    return lambda: server.replicaof("no", "one")


def wait_for_error(server: redis.Redis, code: str) -> None:
    def is_refused() -> bool:
        try:
            server.set("probe", "")
        except redis.ResponseError as error:
            return code in str(error)
        return False

    wait_until(is_refused, seconds=PATIENCE, what=code)


def launch(service: Service, name: str) -> str:
    answer = service.api.post("/runs", json={"name": name, "config": QUICK_CONFIG})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def finding(service: Service, code: str) -> dict[str, Any] | None:
    findings = service.api.get("/health").json()["findings"]
    return next((found for found in findings if found["code"] == code), None)


@pytest.mark.parametrize(
    ("refuse", "code", "said"),
    [
        (fill, "redis_full", "MB of at most 0.0 MB (maxmemory)"),
        (take_its_disk, "redis_disk", "MISCONF"),
        (make_a_replica, "redis_read_only", "read only replica"),
    ],
)
def test_pause_and_stop_arrive_the_reason_is_told_and_all_goes_on_afterwards(
    service: Service,
    server: redis.Redis,
    redis_server: RedisServer,
    refuse: Callable[[redis.Redis, Path], Callable[[], None]],
    code: str,
    said: str,
) -> None:
    paused, stopped = launch(service, "count"), launch(service, "count")
    service.wait_for_step(paused, 20, seconds=PATIENCE)
    make_room = refuse(server, redis_server.data)
    (trainer,) = service.processes("stand_in.py")
    with measured("Redis takes no writes, until /health says so"):
        service.wait_until(lambda: finding(service, code) is not None, seconds=PATIENCE, what="the finding")
    found = finding(service, code)
    assert found is not None
    assert said in found["detail"]
    assert finding(service, "no_worker") is None, "it cannot be heard, which is not the same"
    assert service.api.get("/health").json()["status"] == "degraded"

    with measured("a pause while Redis takes no writes, until the training has ended"):
        service.act(paused, "pause")
        service.wait_until(lambda: not trainer.is_running(), seconds=PATIENCE, what="the pause to arrive")
    service.wait_until(
        lambda: "Redis, which takes no writes" in str(service.run(stopped)["waiting_for"]),
        seconds=PATIENCE,
        what="the queued run to tell what it waits for",
    )
    assert service.run(paused)["status"] == "pausing", "nobody could tell that it is paused"

    with measured("Redis takes writes again, until the run is paused"):
        make_room()
        service.wait_for_status(paused, "paused", seconds=PATIENCE)
    service.wait_for_step(stopped, 20, seconds=PATIENCE)
    steps = service.series(paused, "train/loss")
    assert list(steps) == list(range(1, len(steps) + 1)), "what it had to say was kept"
    service.wait_until(lambda: finding(service, code) is None, seconds=PATIENCE, what="the finding to go")

    make_room = refuse(server, redis_server.data) if refuse is not take_its_disk else lambda: None
    service.act(stopped, "stop")
    service.wait_until(lambda: not service.processes("stand_in.py"), seconds=PATIENCE, what="the stop to arrive")
    make_room()
    service.wait_for_status(stopped, "stopped", seconds=PATIENCE)
