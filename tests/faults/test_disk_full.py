"""The home's disk fills up while a run trains: nobody ends, the reason is told, and all goes on when there is room."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.measuring import measured
from tests.support.service import REPOSITORY, Service
from tests.support.small_disk import SmallDisk, require_small_disks

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]

#: Of the digits' ResNet-20: 2.2 MB a checkpoint.
LONG: dict[str, Any] = {"epochs": 400, "batch": 128, "log_every": 1, "checkpoint_minutes": 0.05, "threads": 1}
MEGABYTES = 40


@pytest.fixture
def disk(tmp_path: Path) -> SmallDisk:
    require_small_disks(tmp_path)
    return SmallDisk(tmp_path / "disk", megabytes=MEGABYTES)


@pytest.fixture
def service(disk: SmallDisk) -> Iterator[Service]:
    started = Service(disk.place / "home", environment={"OMP_NUM_THREADS": "1"}, output=disk.place.parent / "up.log")
    started.prefix = disk.prefix
    try:
        disk.attach(started.begin())
        started.wait_until(started.is_answering, seconds=120, what="the service to answer")
        yield started
    finally:
        started.stop()


def parts(service: Service) -> set[int]:
    """All that `up` started, but for trainings."""
    trainers = {process.pid for process in service.trainers()}
    descendants = {process.pid for process in psutil.Process(service.pid).children(recursive=True)}
    return {pid for pid in descendants - trainers if psutil.Process(pid).parent() not in service.trainers()}


def health(service: Service) -> Any:
    return service.api.get("/health").json()


def test_runs_make_way_before_the_disk_is_full_and_go_on_by_themselves(service: Service, disk: SmallDisk) -> None:
    run_id = service.launch(**LONG)
    service.wait_for_step(run_id, 5, seconds=120)
    before = parts(service)
    with measured("the disk runs short, until the run has made way"):
        disk.fill(leave_bytes=5_000_000)
        waiting = service.wait_for_status(run_id, "queued", seconds=120)
    assert "the disk of" in waiting["reason"]
    assert "it goes on by itself when there is room" in waiting["reason"]
    # Whose disk is told of first is a matter of moments: the worker's and the service's are the same here.
    service.wait_until(
        lambda: "the disk of" in (service.run(run_id)["waiting_for"] or ""), seconds=60, what="the reason to wait"
    )
    assert any("the disk of" in finding["detail"] for finding in health(service)["findings"])
    step = service.run(run_id)["progress"]["step"]
    with measured("there is room again, until the run trains"):
        disk.empty()
        service.wait_for_step(run_id, step + 5, seconds=120)
    assert parts(service) == before


def test_on_a_full_disk_nobody_ends_and_all_goes_on_when_there_is_room(service: Service, disk: SmallDisk) -> None:
    run_id = service.launch(**LONG)
    service.wait_for_step(run_id, 5, seconds=120)
    before = parts(service)
    with measured("the disk is full at once, until /health names it"):
        disk.fill()
        service.wait_until(
            lambda: "is full" in health(service)["database"] or health(service)["disk"] != "ok",
            seconds=60,
            what="the disk to be named",
        )
    assert health(service)["status"] == "degraded"
    refused = service.api.post("/runs", json={"config": {"dataset": "digits"}})
    assert refused.status_code == 507, refused.text
    assert "make room there" in refused.json()["detail"]
    # Longer than every round of every part, and than the 30 s after which a silent worker counts as lost.
    service.wait_until(lambda: health(service)["controller"]["alive"] is False, seconds=60, what="the pulse to stop")
    assert parts(service) == before
    step = service.run(run_id)["progress"]["step"]
    with measured("the full disk is emptied, until the run trains and all is well"):
        disk.empty()
        service.wait_for_step(run_id, step + 5, seconds=180)
        service.wait_until(lambda: health(service)["status"] == "ok", seconds=120, what="all to be well")
    assert parts(service) == before
    # Nothing that was trained and counted is missing.
    series = {int(step) for step in service.series(run_id, "train/loss")}
    assert series == set(range(1, max(series) + 1))


def assert_held_until(service: Service, said: str, end: Callable[[], None], *, remedy: str = "") -> None:
    """A run that is launched meanwhile waits with the reason, and is trained once `end` was called."""
    details = lambda: [finding["detail"] for finding in health(service)["findings"]]  # noqa: E731  asked each time
    with measured("a disk or folder takes nothing more, until /health says so"):
        service.wait_until(lambda: any(said in detail for detail in details()), seconds=60, what=said)
    assert any(said in detail and remedy in detail for detail in details())
    before = parts(service)
    run_id = service.launch()
    service.wait_until(lambda: said in (service.run(run_id)["waiting_for"] or ""), seconds=60, what="the reason")
    end()
    service.wait_for_status(run_id, "completed", seconds=300)
    assert parts(service) == before


def test_a_spool_that_became_read_only_is_told_of_and_waited_for(service: Service, disk: SmallDisk) -> None:
    service.wait_until(lambda: health(service)["status"] == "ok", seconds=120, what="the worker")
    disk.make_read_only("home/worker/spool")
    assert_held_until(
        service, "spool cannot be written to (Read-only file system)", lambda: disk.make_writable("home/worker/spool")
    )


def test_a_disk_that_takes_no_more_files_is_told_of_and_waited_for(service: Service, disk: SmallDisk) -> None:
    service.wait_until(lambda: health(service)["status"] == "ok", seconds=120, what="the worker")
    disk.use_up_inodes()
    assert_held_until(service, "takes 0 more files", disk.give_inodes_back, remedy="remove files there")


def test_up_on_a_full_disk_says_so_in_a_sentence(tmp_path: Path) -> None:
    require_small_disks(tmp_path)
    disk = SmallDisk(tmp_path / "disk", megabytes=3)
    up = [sys.executable, "-m", "backend.cli", "up", "--no-browser", "--home", str(disk.place / "home"), "--port", "0"]
    filled = ["sh", "-c", f'head -c 3000000 /dev/zero > "{disk.place}/neighbour"; exec "$@"', "sh"]
    done = subprocess.run(
        [*disk.prefix, *filled, *up], capture_output=True, text=True, timeout=120, cwd=REPOSITORY, check=False
    )
    assert done.returncode == 1
    assert "The disk of the home is full: the disk of" in done.stderr
    assert "Make room there, or choose a --home on another disk." in done.stderr
    assert "Traceback" not in done.stderr
