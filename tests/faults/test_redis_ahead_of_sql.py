"""A backup of the database is brought back beside a Redis that has kept everything: SQL is the truth."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.faults.parts import PATIENCE, Backend
from tests.jobs.parts import RedisServer, WorkerProcess, is_alive, wait_until
from tests.support.measuring import measured
from worker.contract import names
from worker.jobs.connection import connect

pytestmark = pytest.mark.fault

StartWorker = Callable[..., WorkerProcess]


def copy(origin: Path, to: Path) -> None:
    with closing(sqlite3.connect(origin)) as read, closing(sqlite3.connect(to)) as written:
        read.backup(written)


def bring_back(backend: Backend, copied: Path) -> None:
    """As a person would: with the service stopped, and the worker as it is."""
    database = backend.home / "resdrop.db"
    backend.kill_part("controller")
    backend.kill_part("serve")
    for path in backend.home.glob("resdrop.db*"):
        if path.suffix != ".lock":
            path.unlink()
    copy(copied, database)
    backend.start()


def test_what_trains_by_lost_commits_goes_on_from_what_sql_has(
    backend: Backend, start_worker: StartWorker, tmp_path: Path
) -> None:
    worker = start_worker()
    granted, queued = backend.launch_named("count"), backend.launch_named("short")
    backend.wait_for_step(granted, 200, seconds=PATIENCE)
    copy(backend.home / "resdrop.db", tmp_path / "backup.db")
    backend.wait_for_step(granted, 600, seconds=PATIENCE)
    created_later = backend.launch_named("count")
    trainers = worker.trainers()
    with measured("a backup is brought back, until its run trains by what SQL knows"):
        bring_back(backend, tmp_path / "backup.db")
        backend.wait_until(
            lambda: backend.run(granted)["attempt"] == 2 and backend.run(granted)["status"] == "running",
            seconds=PATIENCE,
            what="a new attempt",
        )
    wait_until(lambda: not any(map(is_alive, trainers)), seconds=PATIENCE, what="the outdone trainer to end")
    assert len(worker.trainers()) == 1
    assert backend.api.get(f"/runs/{created_later}").status_code == 404
    backend.act(granted, "stop")
    backend.wait_for_status(granted, "stopped", seconds=PATIENCE)
    backend.assert_all_steps_arrived(granted)
    backend.wait_for_status(queued, "completed", seconds=PATIENCE)


@pytest.mark.parametrize("then", ["running", "paused", "completed"])
def test_a_run_that_is_queued_again_by_a_backup_is_trained_whatever_redis_has_of_it(
    backend: Backend, start_worker: StartWorker, tmp_path: Path, then: str
) -> None:
    """In the former version it stayed queued for ever, and held the only device from all others."""
    run_id = backend.launch_named("short" if then == "completed" else "count")
    copy(backend.home / "resdrop.db", tmp_path / "backup.db")
    start_worker()
    if then == "completed":
        backend.wait_for_status(run_id, "completed", seconds=PATIENCE)
    else:
        backend.wait_for_step(run_id, 50, seconds=PATIENCE)
    if then == "paused":
        backend.act(run_id, "pause")
        backend.wait_for_status(run_id, "paused", seconds=PATIENCE)
    bring_back(backend, tmp_path / "backup.db")
    if then == "completed":
        backend.wait_for_status(run_id, "completed", seconds=PATIENCE)
    else:
        backend.wait_for_step(run_id, 50, seconds=PATIENCE)
        backend.act(run_id, "stop")
        backend.wait_for_status(run_id, "stopped", seconds=PATIENCE)
    backend.assert_all_steps_arrived(run_id)
    other = backend.launch_named("short")
    backend.wait_for_status(other, "completed", seconds=PATIENCE)


def test_keys_that_are_rubbish_hold_up_no_run(
    backend: Backend, start_worker: StartWorker, redis_server: RedisServer
) -> None:
    run_id = backend.launch_named("count")
    with closing(connect(redis_server.url)) as server:
        server.set(names.run_key(run_id), "rubbish")
        server.lpush(names.run_key("r_other"), "rubbish")
        start_worker()
        backend.wait_for_step(run_id, 50, seconds=PATIENCE)
        with server.pipeline() as at_once:
            at_once.delete(names.run_key(run_id))
            at_once.sadd(names.run_key(run_id), "rubbish")
            at_once.execute()
        backend.act(run_id, "pause")
        backend.wait_for_status(run_id, "paused", seconds=PATIENCE)


@pytest.mark.parametrize("kind", ["bytes", "text", "list", "huge"])
def test_a_worker_whose_key_is_rubbish_is_heard_and_trains(
    backend: Backend, start_worker: StartWorker, redis_server: RedisServer, kind: str
) -> None:
    """Bytes that are no UTF-8 ended its heartbeat, and each start of it after that."""
    worker = start_worker()
    backend.wait_until(lambda: bool(backend.workers()), seconds=PATIENCE, what="the worker")
    (known,) = backend.workers()
    key = names.worker_key(known["id"])

    def damage(server: Any) -> None:
        server.delete(key)
        if kind == "list":
            server.rpush(key, "rubbish")
        else:
            server.set(key, {"bytes": b"\xff", "text": "rubbish", "huge": b"\xff" * 20_000_000}[kind])

    with connect(redis_server.url) as server:
        damage(server)
        run_id = backend.launch_named("short")
        backend.wait_for_status(run_id, "completed", seconds=PATIENCE)
        if kind == "bytes":
            worker.end()
            damage(server)
            worker.start()
            run_id = backend.launch_named("short")
            backend.wait_for_status(run_id, "completed", seconds=PATIENCE)
        assert "heartbeat failed" not in worker.log()
        assert "cannot start" not in worker.log()
