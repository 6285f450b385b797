"""A worker that nobody here supervises stands still for long, as on a machine that was suspended, and goes on later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from tests.faults.parts import PATIENCE, Backend
from tests.jobs.parts import WorkerProcess, is_alive, wait_until

pytestmark = pytest.mark.fault

StartWorker = Callable[..., WorkerProcess]


@pytest.mark.parametrize("what_stands_still", ["machine", "worker"])
def test_a_run_goes_on_elsewhere_and_the_worker_that_comes_back_leaves_it_alone(
    backend: Backend, start_worker: StartWorker, what_stands_still: str
) -> None:
    """Where the worker alone stands still, its trainer goes on until nobody takes what it says."""
    first = start_worker()
    run_id = backend.launch_named("count")
    backend.wait_for_step(run_id, 40, seconds=PATIENCE)
    first_id = backend.run(run_id)["worker"]
    files = first.home / "files"
    start_worker(RESDROP_WORKER_STATE=str(first.home / "of another machine"), RESDROP_FILES=str(files))
    backend.wait_until(lambda: len(backend.workers()) == 2, seconds=PATIENCE, what="the second worker to be heard")
    (second_id,) = {worker["id"] for worker in backend.workers()} - {first_id}

    old_trainers = first.trainers()
    first.signal(SIGSTOP)
    for trainer in old_trainers if what_stands_still == "machine" else ():
        trainer.suspend()
    backend.wait_until(lambda: is_trained_by(backend, run_id, second_id), seconds=PATIENCE, what="the second worker")
    run = backend.run(run_id)
    assert run["attempt"] == 2
    assert ("running", "queued") in statuses(backend, run_id)
    going_on = run["progress"]["step"]
    backend.wait_for_step(run_id, going_on + 50, seconds=PATIENCE)
    assert all(map(is_alive, old_trainers)), "nobody on another machine can end them"
    assert not is_heard(backend, first_id)

    for trainer in old_trainers:
        trainer.resume()
    first.signal(SIGCONT)
    wait_until(lambda: not any(map(is_alive, old_trainers)), seconds=PATIENCE, what="the outdone trainers to end")
    backend.wait_until(lambda: is_heard(backend, first_id), seconds=PATIENCE, what="the first to be heard again")
    of_the_first = contents(files / "runs" / run_id / "attempt-1")
    step = backend.run(run_id)["progress"]["step"]
    backend.wait_for_step(run_id, step + 200, seconds=PATIENCE)

    run = backend.run(run_id)
    assert (run["status"], run["attempt"], run["worker"]) == ("running", 2, second_id)
    assert first.trainers() == []
    assert first.spools() == [], "of an attempt that was outdone nothing is left to say"
    assert contents(files / "runs" / run_id / "attempt-1").items() <= of_the_first.items()
    backend.act(run_id, "stop")
    backend.wait_for_status(run_id, "stopped", seconds=PATIENCE)
    backend.assert_all_steps_arrived(run_id)
    assert statuses(backend, run_id) == [
        *[(None, "queued"), ("queued", "starting"), ("starting", "running"), ("running", "queued")],
        *[("queued", "starting"), ("starting", "running"), ("running", "stopped")],
    ]


def is_trained_by(backend: Backend, run_id: str, worker_id: str) -> bool:
    run = backend.run(run_id)
    return (run["status"], run["worker"]) == ("running", worker_id)


def is_heard(backend: Backend, worker_id: str) -> bool:
    return any(worker["id"] == worker_id and worker["alive"] for worker in backend.workers())


def statuses(backend: Backend, run_id: str) -> list[tuple[str | None, str]]:
    events = backend.api.get(f"/runs/{run_id}/events").json()["items"]
    return [(event["from"], event["to"]) for event in events if event["kind"] == "status"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
