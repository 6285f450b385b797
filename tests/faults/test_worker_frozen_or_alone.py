"""Processes that stand still or are killed, and what a worker does while the service is away."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from tests.faults.parts import PATIENCE, Backend
from tests.jobs.parts import WorkerProcess, is_alive, wait_until
from tests.support.measuring import measured

pytestmark = pytest.mark.fault

StartWorker = Callable[..., WorkerProcess]


def begin(backend: Backend, worker: WorkerProcess) -> str:
    run_id = backend.launch_named("count")
    backend.wait_until(lambda: bool(backend.workers()), seconds=PATIENCE, what="the worker to be heard")
    backend.wait_for_step(run_id, 20, seconds=PATIENCE)
    worker.trainers()
    return run_id


def wait_for_attempt(backend: Backend, run_id: str, attempt: int) -> None:
    def is_there() -> bool:
        run = backend.run(run_id)
        return bool(run["attempt"] == attempt and run["status"] == "running")

    backend.wait_until(is_there, seconds=PATIENCE, what=f"attempt {attempt} to train")


def end(backend: Backend, run_id: str) -> None:
    backend.act(run_id, "stop")
    backend.wait_for_status(run_id, "stopped", seconds=PATIENCE)
    backend.assert_all_steps_arrived(run_id)


def test_a_trainer_that_is_killed_is_followed_by_another(backend: Backend, start_worker: StartWorker) -> None:
    worker = start_worker()
    run_id = begin(backend, worker)
    with measured("a trainer is killed, until the next trains"):
        worker.trainers()[0].kill()
        wait_for_attempt(backend, run_id, 2)
    end(backend, run_id)


def test_a_trainer_that_stands_still_is_ended_and_followed_by_another(
    backend: Backend, start_worker: StartWorker
) -> None:
    worker = start_worker(RESDROP_STALL_SECONDS="5")
    run_id = begin(backend, worker)
    with measured("a trainer stands still, with RESDROP_STALL_SECONDS=5, until the next trains"):
        worker.trainers()[0].suspend()
        wait_for_attempt(backend, run_id, 2)
    end(backend, run_id)


def test_a_worker_that_is_killed_is_followed_by_its_next_start(backend: Backend, start_worker: StartWorker) -> None:
    worker = start_worker()
    run_id = begin(backend, worker)
    family = worker.trainers()
    with measured("a worker is killed and started again, until the run trains"):
        worker.signal(SIGKILL)
        worker.wait()
        start_worker()
        wait_for_attempt(backend, run_id, 2)
    assert not any(map(is_alive, family))
    end(backend, run_id)


def test_a_worker_that_is_killed_and_stays_away_loses_its_run_to_another(
    backend: Backend, start_worker: StartWorker
) -> None:
    worker = start_worker()
    run_id = begin(backend, worker)
    files = worker.home / "files"
    with measured("a worker is killed and stays away, until another trains its run"):
        worker.signal(SIGKILL)
        worker.wait()
        start_worker(RESDROP_WORKER_STATE=str(worker.home / "another"), RESDROP_FILES=str(files))
        wait_for_attempt(backend, run_id, 2)
    end(backend, run_id)


def test_a_worker_that_stands_still_loses_its_run_and_trains_it_no_more_when_it_goes_on(
    backend: Backend, start_worker: StartWorker
) -> None:
    worker = start_worker()
    run_id = begin(backend, worker)
    old_trainers = worker.trainers()
    with measured("a worker stands still, until its run is queued again"):
        worker.signal(SIGSTOP)
        backend.wait_until(lambda: backend.run(run_id)["attempt"] == 2, seconds=PATIENCE, what="the run to be taken")
    assert "nothing was heard from its worker for 30 s" in backend.run(run_id)["reason"]
    with measured("it goes on, until the run trains"):
        worker.signal(SIGCONT)
        wait_for_attempt(backend, run_id, 2)
    wait_until(lambda: not any(map(is_alive, old_trainers)), seconds=PATIENCE, what="the outdone trainer to end")
    assert len(worker.trainers()) == 1
    end(backend, run_id)


def test_a_controller_that_is_killed_costs_no_step(backend: Backend, start_worker: StartWorker) -> None:
    worker = start_worker()
    run_id = begin(backend, worker)
    trainers = worker.trainers()
    backend.kill_part("controller")
    time.sleep(3)
    step = backend.run(run_id)["progress"]["step"]
    with measured("a controller starts again after 3 s, until the steps of that time are in SQL"):
        backend.start_part("controller")
        backend.wait_for_step(run_id, step + 200, seconds=PATIENCE)
    assert worker.trainers() == trainers
    end(backend, run_id)


def test_an_api_that_is_killed_costs_no_step(backend: Backend, start_worker: StartWorker) -> None:
    worker = start_worker()
    run_id = begin(backend, worker)
    trainers = worker.trainers()
    with measured("the API is killed and started again, until it answers"):
        backend.kill_part("serve")
        backend.start_part("serve")
        backend.wait_until(backend.is_answering, seconds=PATIENCE, what="the API to answer")
    assert worker.trainers() == trainers
    end(backend, run_id)


def test_a_database_that_is_locked_for_a_while_costs_no_step(backend: Backend, start_worker: StartWorker) -> None:
    worker = start_worker()
    run_id = begin(backend, worker)
    trainers = worker.trainers()
    with closing(sqlite3.connect(backend.home / "resdrop.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(8)
        other.execute("ROLLBACK")
    step = backend.run(run_id)["progress"]["step"]
    with measured("a database that was locked for 8 s, until its steps are in SQL"):
        backend.wait_for_step(run_id, step + 500, seconds=PATIENCE)
    assert worker.trainers() == trainers
    assert backend.run(run_id)["attempt"] == 1
    end(backend, run_id)
