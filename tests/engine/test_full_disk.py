"""The engine alone on a disk that fills up: the training goes on, and no file has a hole or a torn line."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.support.small_disk import SmallDisk, require_small_disks
from worker.common.disk import Room
from worker.engine.sinks.deferred import DeferredFile, Refusals, append_whole

pytestmark = pytest.mark.fault

ROOT = Path(__file__).parents[2]
SETTINGS = (
    *("--dataset=digits", "--depth=20", "--image_size=8", "--batch=128", "--epochs=8", "--warmup_epochs=1"),
    *("--log_every=1", "--bn_reestimate=0", "--threads=1"),
)
STEPS = 8 * 11


class Training:
    """`resdrop train` into a disk of its own."""

    def __init__(self, disk: SmallDisk, output: Path) -> None:
        self.disk = disk
        self.output = output
        command = [sys.executable, "-m", "worker.engine", "train", f"--out={disk.place}/run", *SETTINGS]
        with output.open("w") as out:
            self.process = subprocess.Popen(
                [*disk.prefix, *command], stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env={**os.environ}
            )
        disk.attach(self.process.pid)

    @property
    def folder(self) -> Path:
        return self.disk.seen / "run"

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, f"waited for {what}: {self.output.read_text()}"
            time.sleep(0.02)

    def says(self, text: str) -> bool:
        return text in self.output.read_text()

    def has_begun(self) -> bool:
        history = self.folder / "history.csv"
        return history.exists() and len(history.read_text().splitlines()) > 3


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    require_small_disks(tmp_path)
    started = Training(SmallDisk(tmp_path / "disk", megabytes=40), tmp_path / "output.txt")
    yield started
    started.process.kill()
    started.process.wait()


def copied(folder: Path, to: Path) -> Path:
    """The disk goes when the process ends, so that what is on it is taken before."""
    subprocess.run(["cp", "-a", str(folder), str(to)], check=True)
    return to


def test_a_training_goes_on_through_a_full_disk_and_its_files_are_whole(training: Training, tmp_path: Path) -> None:
    training.wait_until(training.has_begun, "its first rows")
    training.disk.fill()
    training.wait_until(lambda: training.says("cannot be written: No space left on device"), "its refusal")
    # Evaluations, log lines and many rows meanwhile.
    training.wait_until(lambda: training.says("epoch 4/8: val/top1"), "an epoch on the full disk")
    training.disk.empty()
    keeper = subprocess.Popen([*("nsenter", "-t", str(training.process.pid), "-m"), "sleep", "600"])
    try:
        training.disk.attach(keeper.pid)
        assert training.process.wait(120) == 0, training.output.read_text()
        folder = copied(training.folder, tmp_path / "kept")
    finally:
        keeper.kill()
        keeper.wait()
    said = training.output.read_text()
    assert said.count("The training goes on, and keeps in memory what it has to write") == 1, said
    assert "Traceback" not in said
    assert said.count("are written again, with what was kept meanwhile") == 1, said
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert [int(row["step"]) for row in rows if row["train/loss"]] == list(range(1, STEPS + 1))
    assert len([row for row in rows if row["val/top1"]]) == 8
    assert all(None not in row.values() for row in rows)
    assert json.loads((folder / "summary.json").read_text())["status"] == "completed"
    log = (folder / "train.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT[0-9:+]+ ", line) for line in log), log
    assert [line for line in log if " completed in " in line]
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == list(range(1, STEPS + 1))
    assert (folder / "checkpoints/last.pt").exists()


def test_what_was_never_written_is_said_and_is_no_success(training: Training) -> None:
    training.wait_until(training.has_begun, "its first rows")
    training.wait_until(lambda: training.says("epoch 2/8: val/top1"), "two epochs")
    training.disk.fill()
    assert training.process.wait(120) == 1
    said = training.output.read_text()
    # Without its last checkpoint a training has not completed.
    assert "failed: " in said
    assert "Traceback" not in said


def test_a_disk_that_is_full_at_the_start_is_refused(tmp_path: Path) -> None:
    require_small_disks(tmp_path)
    disk = SmallDisk(tmp_path / "disk", megabytes=1)
    command = f"dd if=/dev/zero of={disk.place}/neighbour bs=1k count=2000 status=none; mkdir -p {disk.place}/run; "
    train = [sys.executable, "-m", "worker.engine", "train", f"--out={disk.place}/run", *SETTINGS]
    done = subprocess.run(
        [*disk.prefix, "sh", "-c", f'{command} exec "$@"', "sh", *train],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert "cannot be written to: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


class TestDeferredFiles:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """On no disk: writing there fails as on a full one while `full` is a link to /dev/full."""
        return tmp_path / "file.csv"

    def test_what_is_refused_is_kept_in_order(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("worker.engine.sinks.deferred.RETRY_SECONDS", 0.0)
        told: list[str] = []
        refusals = Refusals(path.parent)
        refusals.tell_by(told.append)
        file = DeferredFile(path, refusals)
        file.append("one\n")
        path.rename(path.with_name("aside"))
        path.symlink_to("/dev/full")
        file.append("two\n")
        file.append("three\n")
        assert not file.flush()
        assert refusals.refused == ("file.csv",)
        path.unlink()
        path.with_name("aside").rename(path)
        file.append("four\n")
        assert path.read_text() == "one\ntwo\nthree\nfour\n"
        assert refusals.refused == ()
        assert [text.split(": ")[0] for text in told] == [
            f"{path} cannot be written",
            f"the files of {path.parent} are written again, with what was kept meanwhile",
        ]

    def test_what_has_another_cause_is_raised(self, path: Path) -> None:
        path.mkdir()
        with pytest.raises(IsADirectoryError):
            DeferredFile(path, Refusals(path.parent)).append("text")

    def test_more_than_fits_in_memory_is_raised(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("worker.engine.sinks.deferred.MOST_KEPT", 10)
        monkeypatch.setattr("worker.engine.sinks.deferred.RETRY_SECONDS", 0.0)
        path.symlink_to("/dev/full")
        file = DeferredFile(path, Refusals(path.parent))
        file.append("12345")
        with pytest.raises(OSError, match="No space left"):
            file.append("678901")

    def test_an_append_that_is_cut_short_leaves_no_part_of_it(self, tmp_path: Path) -> None:
        require_small_disks(tmp_path)
        disk = SmallDisk(tmp_path / "disk", megabytes=1)
        holder = subprocess.Popen([*disk.prefix, "sleep", "60"])
        try:
            disk.attach(holder.pid)
            deadline = time.monotonic() + 20
            while not os.path.ismount(disk.seen) and time.monotonic() < deadline:
                time.sleep(0.02)
            path = disk.seen / "file.csv"
            append_whole(path, "one\n")
            disk.fill(leave_bytes=8192)
            with pytest.raises(OSError, match="No space left"):
                append_whole(path, "x" * 100_000)
            assert path.read_text() == "one\n"
        finally:
            holder.kill()
            holder.wait()


def test_a_disk_without_inodes_asks_for_fewer_files() -> None:
    assert "remove files" in Room(Path("/x"), 10**9, 10**9, 3).remedy
    assert Room(Path("/x"), 10, 10**9, 10**6).remedy == "make room there"
