"""The engine alone on a disk that fills up: the training goes on, and no file has a hole or a torn line."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.support.small_disk import SmallDisk, require_small_disks
from worker.common.disk import Room, remedy_of
from worker.contract.config import RunConfig
from worker.contract.messages import Point
from worker.engine.ports import RunStarted
from worker.engine.sinks.deferred import DeferredFile, Refusals, append_whole
from worker.engine.sinks.history import HistoryFile
from worker.engine.sinks.tensorboard import TensorBoardEvents

pytestmark = pytest.mark.fault

ROOT = Path(__file__).parents[2]
SETTINGS = (
    *("--dataset=digits", "--depth=20", "--image_size=8", "--batch=128", "--epochs=8", "--warmup_epochs=1"),
    *("--log_every=1", "--bn_reestimate=0", "--threads=1"),
)
STEPS = 8 * 11
AT = datetime(2024, 1, 1, tzinfo=UTC)


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


class FolderRun:
    """The same training in a folder of the test's own."""

    def __init__(self, place: Path) -> None:
        self.folder = place / "run"
        self._output = place / "output.txt"
        command = [sys.executable, "-m", "worker.engine", "train", f"--out={self.folder}", *SETTINGS]
        with self._output.open("w") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT)

    @property
    def said(self) -> str:
        return self._output.read_text()

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, f"waited for {what}: {self.said}"
            time.sleep(0.02)

    def wait(self) -> int:
        return self.process.wait(120)


@pytest.fixture
def folder_run(tmp_path: Path) -> Iterator[FolderRun]:
    run = FolderRun(tmp_path)
    try:
        run.wait_until(lambda: "epoch 1/8: val/top1" in run.said, "an epoch")
        run.wait_until(lambda: (run.folder / "checkpoints" / "last.pt").exists(), "a checkpoint")
        yield run
    finally:
        run.process.kill()
        run.process.wait()


def events_of(folder: Path) -> list[Path]:
    return sorted((folder / "tensorboard").iterdir())


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


def test_without_its_last_checkpoint_a_training_has_not_completed(training: Training) -> None:
    training.wait_until(training.has_begun, "its first rows")
    training.wait_until(lambda: training.says("epoch 2/8: val/top1"), "two epochs")
    training.disk.fill()
    assert training.process.wait(120) == 1
    said = training.output.read_text()
    assert "failed: checkpoint " in said
    assert "; make room there, then go on" in said
    # The reason is in no file either, of which the console tells.
    assert re.search(r"not all was written to .*\.\w+ \(No space left on device\)", said), said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("history.csv", "history.csv (No space left on device)"),
        ("train.log", "train.log (No space left on device)"),
    ],
)
def test_what_was_never_written_is_said_and_is_no_success(training: Training, name: str, shown: str) -> None:
    training.wait_until(training.has_begun, "its first rows")
    (training.folder / name).unlink()
    (training.folder / name).symlink_to("/dev/full")
    assert training.process.wait(120) == 1, training.output.read_text()
    said = training.output.read_text()
    assert "\ncompleted in " in said
    assert said.count("not all was written to ") == 1
    assert shown in said
    assert "Traceback" not in said


FILES = ["history.csv", "summary.json", "train.log", "tensorboard", "checkpoints/last.pt"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("stays", [True, False], ids=["to the end", "for a while"])
def test_a_training_goes_on_whatever_is_in_the_place_of_its_files(
    folder_run: FolderRun, name: str, stays: bool
) -> None:
    """None of them is worth a training; what is missing at the end is told."""
    run = folder_run
    aside = run.folder / "aside"
    place = run.folder / name
    place.rename(aside)
    if name == "tensorboard":
        place.touch()
    else:
        (place / "within").mkdir(parents=True)
    if not stays:
        run.wait_until(lambda: "cannot be written: " in run.said, "its refusal")
        subprocess.run(["rm", "-r", str(place)], check=True)
        aside.rename(place)
    code = run.wait()
    assert "\ncompleted in " in run.said
    assert "Traceback" not in run.said
    assert code == (1 if stays else 0), run.said
    if stays:
        assert f"not all was written to {name} (" in run.said
        assert "move away what is in its place" in run.said
        return
    rows = list(csv.DictReader((run.folder / "history.csv").read_text().splitlines()))
    assert [int(row["step"]) for row in rows if row["train/loss"]] == list(range(1, STEPS + 1))
    events = EventAccumulator(str(run.folder / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == list(range(1, STEPS + 1))
    assert json.loads((run.folder / "summary.json").read_text())["status"] == "completed"


@pytest.mark.parametrize("name", ["history.csv", "train.log"])
def test_a_pipe_in_the_place_of_a_file_holds_nothing_up(folder_run: FolderRun, name: str) -> None:
    (folder_run.folder / name).unlink()
    os.mkfifo(folder_run.folder / name)
    assert folder_run.wait() == 1
    assert f"not all was written to {name} (No such device or address)" in folder_run.said
    assert "\ncompleted in " in folder_run.said


@pytest.mark.parametrize("how", ["emptied", "cut short", "moved away"])
def test_rows_that_somebody_took_are_told_and_are_no_success(folder_run: FolderRun, how: str) -> None:
    history = folder_run.folder / "history.csv"
    if how == "moved away":
        history.rename(history.with_name("aside"))
    else:
        os.truncate(history, 0 if how == "emptied" else 10)
    assert folder_run.wait() == 1
    told = "was cut short" if how == "cut short" else "was emptied or removed"
    assert folder_run.said.count(f"history.csv {told} by something else") == 1
    assert f"not all was written to history.csv ({told})" in folder_run.said


@pytest.mark.parametrize("name", ["train.log", "config.json"])
def test_a_folder_that_takes_no_files_is_refused_before_anything_is_trained(tmp_path: Path, name: str) -> None:
    (tmp_path / "run" / name).mkdir(parents=True)
    if name != "config.json":
        settings = dict(text.removeprefix("--").split("=") for text in SETTINGS)
        (tmp_path / "run" / "config.json").write_text(RunConfig.model_validate(settings).model_dump_json())
    train = [sys.executable, "-m", "worker.engine", "train", f"--out={tmp_path}/run", *SETTINGS]
    done = subprocess.run(train, capture_output=True, text=True, cwd=ROOT, check=False, timeout=120)
    assert done.returncode == 2
    assert "Is a directory" in done.stderr
    assert "Traceback" not in done.stderr


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

    def test_what_has_another_cause_is_kept_as_well(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("worker.engine.sinks.deferred.RETRY_SECONDS", 0.0)
        refusals = Refusals(path.parent)
        file = DeferredFile(path, refusals)
        path.mkdir()
        file.append("one\n")
        assert refusals.reasons == "file.csv (Is a directory)"
        path.rmdir()
        file.append("two\n")
        assert (path.read_text(), refusals.refused) == ("one\ntwo\n", ())

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


def test_events_are_written_anew_from_a_history_that_is_whole(tmp_path: Path) -> None:
    """The disk takes files again, and the history's own next try is not due yet."""
    refusals = Refusals(tmp_path)
    history = HistoryFile(tmp_path / "history.csv", refusals)
    events = TensorBoardEvents(tmp_path / "tensorboard", refusals, history=history)
    for sink in (history, events):
        sink.started(RunStarted(0, 4, 5, 9, 269_722, "cpu", 1, False, {"torch": "2"}))
    for step in range(1, 7):
        if step == 2:
            (file,) = events_of(tmp_path)
            for path in (tmp_path / "history.csv", file):
                path.rename(path.with_name("aside"))
                path.symlink_to("/dev/full")
        for sink in (history, events):
            sink.point(Point(step=step, epoch=step / 5, elapsed_seconds=step, at=AT, values={"train/loss": 1.0 / step}))
        if step == 3:
            assert not events.flush()
        if step == 4:
            (tmp_path / "history.csv").unlink()
            (tmp_path / "aside").rename(tmp_path / "history.csv")
            assert events.flush()
    events.close()
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in found.Scalars("train/loss")] == list(range(1, 7))


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room there"),
        (errno.EDQUOT, "remove files of yours there, or have your quota raised"),
        (errno.EROFS, "have it mounted for writing again"),
        (errno.EIO, "have the disk checked, which answers with errors"),
        (errno.EACCES, "let its folder take files again"),
    ],
)
def test_the_remedy_is_that_of_the_cause(tmp_path: Path, number: int, remedy: str) -> None:
    told: list[str] = []
    refusals = Refusals(tmp_path)
    refusals.tell_by(told.append)
    error = OSError(number, os.strerror(number))
    assert remedy_of(error, tmp_path) == remedy
    refusals.note("train.log", error)
    assert told[0].endswith(f"keeps in memory what it has to write; {remedy}")


def test_a_disk_without_inodes_asks_for_fewer_files() -> None:
    assert "remove files" in Room(Path("/x"), 10**9, 10**9, 3).remedy
    assert Room(Path("/x"), 10, 10**9, 10**6).remedy == "make room there"
