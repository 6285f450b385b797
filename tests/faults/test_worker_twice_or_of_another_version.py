"""Workers that should not be what they are: a clone of another, and one of an earlier version."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.parts import PATIENCE, Backend
from tests.jobs.parts import REPOSITORY, RedisServer, WorkerProcess, is_alive, wait_until
from tests.support.measuring import measured

pytestmark = pytest.mark.fault

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def clone(redis_server: RedisServer, tmp_path: Path) -> Iterator[WorkerProcess]:
    """To be started in a copy of the first worker's home, spools and all."""
    made = WorkerProcess(tmp_path / "clone", redis_server.url)
    yield made
    made.end()


def holds(worker: WorkerProcess, text: str) -> bool:
    return text in worker.log()


def test_a_cloned_machine_is_refused_by_name_and_ends_nothing(
    backend: Backend, start_worker: StartWorker, clone: WorkerProcess
) -> None:
    origin = start_worker()
    run_id = backend.launch_named("count")
    backend.wait_for_step(run_id, 50, seconds=PATIENCE)
    trainers = origin.trainers()
    shutil.copytree(origin.home, clone.home)
    with measured("a cloned worker starts, until it is refused"):
        clone.start()
        wait_until(lambda: holds(clone, "has the identity"), seconds=PATIENCE, what="the refusal", report=clone.log)
    assert str(clone.home / "worker" / "worker.json") in clone.log()
    backend.wait_until(
        lambda: any("a second worker" in text for worker in backend.workers() for text in worker["warnings"]),
        seconds=PATIENCE,
        what="the warning",
    )
    waiting = backend.launch_named("short")
    step = backend.run(run_id)["progress"]["step"]
    backend.wait_for_step(run_id, step + 1500, seconds=PATIENCE)
    assert (backend.run(run_id)["attempt"], origin.trainers()) == (1, trainers)
    assert clone.trainers() == []
    assert backend.run(waiting)["status"] == "queued", "the clone's device is not to be had"
    backend.act(run_id, "stop")
    backend.wait_for_status(waiting, "completed", seconds=PATIENCE)
    backend.assert_all_steps_arrived(run_id)

    with measured("the first of two clones is stopped, until the other follows"):
        origin.signal(15)
        origin.wait(PATIENCE)
        wait_until(lambda: holds(clone, "offers cpu:0"), seconds=PATIENCE, what="the clone to follow", report=clone.log)
    again = backend.launch_named("short")
    backend.wait_for_status(again, "completed", seconds=PATIENCE)
    assert not any(map(is_alive, trainers))


@pytest.fixture
def earlier_version(tmp_path: Path) -> Path:
    """A ResDrop that does not know the setting `keep_checkpoints` yet."""
    folder = tmp_path / "earlier"
    shutil.copytree(REPOSITORY / "worker", folder / "worker", ignore=shutil.ignore_patterns("__pycache__"))
    config = folder / "worker" / "contract" / "config.py"
    text = config.read_text()
    shorter = re.sub(r"    keep_checkpoints: int = _setting\(.*?\n    \)\n", "", text, flags=re.DOTALL)
    assert shorter != text
    config.write_text(shorter)
    known = folder / "worker" / "contract" / "__init__.py"
    known.write_text(re.sub(r'VERSION = ".*"', 'VERSION = "0.0.9"', known.read_text()))
    # Whatever else reads the setting is content with a number.
    reception = folder / "worker" / "jobs" / "reception.py"
    reception.write_text(reception.read_text().replace("assignment.spec.config.keep_checkpoints", "2"))
    return folder


def test_a_worker_of_an_earlier_version_trains_what_it_knows_and_names_what_it_does_not(
    backend: Backend, start_worker: StartWorker, earlier_version: Path
) -> None:
    earlier = start_worker(PYTHONPATH=f"{earlier_version}:{REPOSITORY}")
    known = backend.launch_named("short")
    backend.wait_for_status(known, "completed", seconds=PATIENCE)
    refused = backend.launch_named("short", keep_checkpoints=5)
    backend.wait_until(
        lambda: "refused it" in str(backend.run(refused)["waiting_for"]),
        seconds=PATIENCE,
        what="the refusal to be told",
    )
    waiting_for = backend.run(refused)["waiting_for"]
    assert waiting_for.startswith("a worker of a fitting version: ")
    assert "there is no setting 'config.keep_checkpoints'" in waiting_for
    assert "(ResDrop 0.0.9)" in waiting_for
    (worker,) = backend.workers()
    assert any(refused in text and "keep_checkpoints" in text for text in worker["warnings"])
    later = backend.launch_named("short")
    backend.wait_for_status(later, "completed", seconds=PATIENCE)
    earlier.signal(15)
    earlier.wait(PATIENCE)
    start_worker()
    backend.wait_for_status(refused, "completed", seconds=PATIENCE)
