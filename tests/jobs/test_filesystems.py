"""A worker whose folders are on filesystems without flock (Lustre), and without hard links (FAT, SMB)."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.parts import Controller, RedisServer, WorkerProcess, wait_until
from tests.support.refusing import NO_FLOCK, NO_LINKS, is_possible, refusing

pytestmark = pytest.mark.skipif(not is_possible(), reason="there is no filter of system calls here")


@pytest.fixture
def worker(redis_server: RedisServer, tmp_path: Path) -> Iterator[WorkerProcess]:
    made = WorkerProcess(tmp_path / "home", redis_server.url)
    made.command = refusing(NO_FLOCK | NO_LINKS, made.command)
    yield made
    made.end()


def test_a_worker_starts_trains_and_is_the_only_one(
    controller: Controller, worker: WorkerProcess, redis_server: RedisServer
) -> None:
    worker.start()
    controller.launch("r_1", name="count")
    wait_until(lambda: controller.last_step("r_1") > 0, seconds=60, what="a step", report=worker.log)
    for name in ("worker/worker.json", "files/root.json"):
        assert json.loads((worker.home / name).read_text())["id"]
    second = WorkerProcess(worker.home, redis_server.url)
    second.command = worker.command
    second.start()
    try:
        assert second.wait(60) == 2
        assert "another worker, process" in second.log()
    finally:
        second.end()
    worker.signal(signal.SIGKILL)
    worker.wait()
    worker.start()
    seen = len(controller.of_kind("worker_seen"))
    wait_until(
        lambda: len(controller.of_kind("worker_seen")) > seen, seconds=60, what="the next start", report=worker.log
    )
