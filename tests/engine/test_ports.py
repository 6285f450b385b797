"""Every twin of a port keeps the same contract."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.engine.parts import InterruptAfter, Recorder, tiny
from worker.contract.messages import Point
from worker.contract.status import Desired
from worker.engine.checkpoint import checkpoint_path, newest_first
from worker.engine.outcome import Best, Ending, Outcome
from worker.engine.ports import Control, MetricSink, NullControl, NullSink, RunStarted, SavedCheckpoint
from worker.engine.signals import SignalControl
from worker.engine.sinks.console import Console
from worker.engine.sinks.fanout import FanOut
from worker.engine.sinks.history import HistoryFile, read_history
from worker.engine.sinks.keeper import CheckpointKeeper
from worker.engine.sinks.log_file import LogFile
from worker.engine.sinks.summary import SummaryFile
from worker.engine.sinks.tensorboard import TensorBoardEvents

SINKS: dict[str, Callable[[Path], MetricSink]] = {
    "null": lambda folder: NullSink(),  # noqa: ARG005  all are made from a folder
    "recorder": lambda folder: Recorder(),  # noqa: ARG005
    "history": lambda folder: HistoryFile(folder / "history.csv"),
    "log": lambda folder: LogFile(folder / "train.log"),
    "summary": lambda folder: summary_of(folder),
    "tensorboard": lambda folder: TensorBoardEvents(
        folder / "tensorboard", history=HistoryFile(folder / "history.csv")
    ),
    "keeper": lambda folder: CheckpointKeeper(folder, newest=2),
    "console": lambda folder: Console(io.StringIO()),  # noqa: ARG005
    "fan out": lambda folder: FanOut([NullSink(), HistoryFile(folder / "history.csv")]),
}


def run_started(step: int = 0, *, evaluation_due: bool = False) -> RunStarted:
    return RunStarted(
        step=step,
        epochs=4,
        steps_per_epoch=5,
        blocks=9,
        parameters=269_722,
        device="cpu",
        threads=1,
        evaluation_due=evaluation_due,
        versions={"torch": "2"},
    )


def point(step: int, **values: float | None) -> Point:
    named = {
        name if name == "images_per_second" else name.replace("_", "/", 1): value for name, value in values.items()
    }
    return Point(step=step, epoch=step / 5, elapsed_seconds=step * 2.0, at=datetime.now(UTC), values=named)


#: Steps of 64 images.
CONFIG = tiny(batch=64)


def summary_of(folder: Path) -> SummaryFile:
    return SummaryFile(folder / "summary.json", history=folder / "history.csv", config=CONFIG)


def saved(folder: Path, step: int, *, best: bool = False) -> SavedCheckpoint:
    path = folder / f"step-{step:08d}.pt"
    path.touch()
    return SavedCheckpoint(path, step, step / 5, size_bytes=1, sha256="0", elapsed_seconds=1.0, best=best)


@pytest.mark.parametrize("name", SINKS)
def test_a_sink_takes_everything_a_training_tells_and_a_resume_after_it(name: str, tmp_path: Path) -> None:
    for first_step in (0, 5):
        sink = SINKS[name](tmp_path)
        sink.started(run_started(first_step))
        sink.point(point(first_step + 1, train_loss=None, sd_depth=6.5, sd_compute=0.75))
        sink.point(point(first_step + 5, val_loss=0.5, val_top1=97.5))
        sink.checkpoint(saved(tmp_path, first_step + 5, best=True))
        sink.notice("something to see")
        sink.log("a line")
        if isinstance(sink, TensorBoardEvents):
            sink.close()


def heard(number: int) -> SignalControl:
    control = SignalControl(heard=lambda: None)
    with control.listening():
        os.kill(os.getpid(), number)
    return control


CONTROLS: dict[str, tuple[Callable[[], Control], Desired]] = {
    "null": (NullControl, Desired.RUN),
    "quiet signals": (lambda: SignalControl(heard=lambda: None), Desired.RUN),
    "ctrl-c": (lambda: heard(signal.SIGINT), Desired.PAUSE),
    "terminated": (lambda: heard(signal.SIGTERM), Desired.PAUSE),
    "interrupting": (lambda: InterruptAfter(0, wish=Desired.STOP), Desired.STOP),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_goes_on_wanting_what_it_wants(name: str) -> None:
    make, desired = CONTROLS[name]
    control = make()
    assert [control.desired() for _ in range(3)] == [desired] * 3


def test_signal_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    heard(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def history_of(path: Path) -> list[tuple[str, str, str]]:
    return [(row["step"], row["train/loss"], row["val/top1"]) for row in read_history(path)]


def test_the_history_has_a_row_for_each_point(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    history = HistoryFile(path)
    history.started(run_started())
    history.point(point(4, train_loss=0.5))
    history.point(point(5, val_top1=97.5, val_loss=None))
    assert history_of(path) == [("4", "0.5", ""), ("5", "", "97.5")]


@pytest.mark.parametrize(
    ("resumed", "kept"),
    [
        (run_started(5), [("4", "0.5", ""), ("5", "", "97.5")]),
        (run_started(5, evaluation_due=True), [("4", "0.5", "")]),
        (run_started(2), []),
    ],
)
def test_a_resume_takes_out_of_the_history_what_will_be_told_again(
    tmp_path: Path, resumed: RunStarted, kept: list[tuple[str, str, str]]
) -> None:
    path = tmp_path / "history.csv"
    history = HistoryFile(path)
    history.started(run_started())
    for told in (point(4, train_loss=0.5), point(5, val_top1=97.5), point(8, train_loss=0.25)):
        history.point(told)
    HistoryFile(path).started(resumed)
    assert history_of(path) == kept


@pytest.mark.parametrize("resumed", [0, 3])
def test_a_resume_voids_later_events_also_where_it_begins_anew(tmp_path: Path, resumed: int) -> None:
    for first in (0, resumed):
        events = TensorBoardEvents(tmp_path, history=HistoryFile(tmp_path.with_name("history.csv")))
        events.started(run_started(first))
        for step in (3, 5):
            if step > first:
                events.point(point(step, train_loss=0.5))
        events.close()
        # Files are read in the order of their names, which have whole seconds.
        for path in tmp_path.iterdir():
            path.rename(path.with_name(path.name.replace("tfevents.", "tfevents.0", 1)))
    found = EventAccumulator(str(tmp_path))
    found.Reload()
    assert [event.step for event in found.Scalars("train/loss")] == [3, 5]


def test_a_row_that_a_crash_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    history = HistoryFile(path)
    history.started(run_started())
    history.point(point(4, train_loss=0.5))
    whole = path.read_text()
    path.write_text(whole + "5,1.0,10.")
    HistoryFile(path).started(run_started(5))
    assert path.read_text() == whole


def test_the_summary_says_how_the_run_stands(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    summary = summary_of(tmp_path)
    summary.started(run_started())
    assert json.loads(path.read_text())["status"] == "running"
    summary.point(point(3, train_loss=0.5))
    summary.point(point(5, val_top1=97.5))
    assert json.loads(path.read_text())["latest"] == {"train/loss": 0.5, "val/top1": 97.5}
    summary.finish(Outcome(Ending.COMPLETED, step=20, elapsed_seconds=40.0, best=Best(top1=97.5, step=5)))
    written = json.loads(path.read_text())
    assert (written["status"], written["step"], written["steps"]) == ("completed", 20, 20)
    assert written["best"] == {"val/top1": 97.5, "step": 5}


def test_the_summary_tells_results_of_the_whole_run_whoever_trained_its_parts(tmp_path: Path) -> None:
    points = [(10, 0.80), (20, 0.70), (30, 0.75), (33, 0.40)]
    for start, told in ((0, points[:2]), (25, points[2:])):
        summary = summary_of(tmp_path)
        sink = FanOut([HistoryFile(tmp_path / "history.csv"), summary])
        sink.started(replace(run_started(start), epochs=3, steps_per_epoch=11))
        for step, share in told:
            sink.point(point(step, sd_compute=share, sd_depth=9 * share, images_per_second=100.0 + step))
        # The machine went down before it could say anything, at the second start with nothing trained.
        summary.fail("out of memory")
    written = json.loads((tmp_path / "summary.json").read_text())
    assert written["results"]["compute"] == pytest.approx(23.7 / 33)
    assert written["results"]["depth"] == pytest.approx(9 * 23.7 / 33)
    assert written["results"]["images_per_second"] == 125.0
    assert [start["step"] for start in written["starts"]] == [0, 25]
    # Of the four reports the first is a warm-up, and the last two are of the resumed process's.
    assert written["results"]["step_seconds"] == {"median": 64 / 120, "q1": 64 / 120, "q3": 64 / 120, "n": 1}


def test_a_start_that_failed_forgets_nothing_of_those_before(tmp_path: Path) -> None:
    summary_of(tmp_path).started(run_started())
    summary_of(tmp_path).fail("out of memory before the first step")
    assert len(json.loads((tmp_path / "summary.json").read_text())["starts"]) == 1
    (tmp_path / "summary.json").write_text("not JSON")
    summary_of(tmp_path).started(run_started(5))
    assert [start["step"] for start in json.loads((tmp_path / "summary.json").read_text())["starts"]] == [5]


def test_a_failure_is_in_the_summary_with_its_reason(tmp_path: Path) -> None:
    summary = summary_of(tmp_path)
    summary.fail("out of memory")
    written = json.loads((tmp_path / "summary.json").read_text())
    assert (written["status"], written["reason"]) == ("failed", "out of memory")


def test_the_two_newest_checkpoints_and_the_best_are_kept(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path, newest=2)
    for step, best in ((5, False), (10, True), (15, False), (20, False), (25, False)):
        keeper.checkpoint(saved(tmp_path, step, best=best))
    assert [path.name for path in newest_first(tmp_path)] == [f"step-{step:08d}.pt" for step in (25, 20, 10)]
    assert (tmp_path / "last.pt").resolve() == newest_first(tmp_path)[0].resolve()
    assert (tmp_path / "best.pt").resolve() == newest_first(tmp_path)[-1].resolve()


@pytest.mark.parametrize(
    "name",
    ["step-00000005 (copy).pt", "step-5.pt", "step-000000005.pt", "step-00000005+0.pt", "step-.pt", "step-\u0665.pt"],
)
def test_files_of_other_names_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    keeper = CheckpointKeeper(tmp_path, newest=1)
    for step in (5, 10):
        keeper.checkpoint(saved(tmp_path, step))
    assert [path.name for path in newest_first(tmp_path)] == ["step-00000010.pt"]
    assert (tmp_path / name).exists()


def test_what_is_in_the_way_of_the_kept_ones_is_left_alone(tmp_path: Path) -> None:
    """A folder, and files of steps that this training has not made: they make no room for themselves."""
    (tmp_path / "step-00000001.pt").mkdir()
    for step in (98, 99):
        saved(tmp_path, step)
    keeper = CheckpointKeeper(tmp_path, newest=2)
    for step in (5, 10, 15):
        keeper.checkpoint(saved(tmp_path, step))
    assert [path.name for path in newest_first(tmp_path)] == [f"step-{step:08d}.pt" for step in (99, 98, 15, 10, 1)]


def test_links_that_a_kill_prevented_are_made_at_the_next_start(tmp_path: Path) -> None:
    """Else the old best is deleted in the end, and its link points to nothing."""
    CheckpointKeeper(tmp_path, newest=2).checkpoint(saved(tmp_path, 5, best=True))
    newer = saved(tmp_path, 10, best=True).path
    keeper = CheckpointKeeper(tmp_path, newest=2, last=newer, best=newer)
    keeper.started(run_started(10))
    assert (tmp_path / "last.pt").resolve() == newer.resolve()
    for step in (15, 20, 25):
        keeper.checkpoint(saved(tmp_path, step))
    assert (tmp_path / "best.pt").resolve() == newer.resolve()
    assert newer.exists()


def test_a_checkpoint_between_micro_batches_is_newer_than_that_of_its_step(tmp_path: Path) -> None:
    paths = [checkpoint_path(tmp_path, 9), checkpoint_path(tmp_path, 10), checkpoint_path(tmp_path, 10, micro=2)]
    for path in paths:
        path.touch()
    assert newest_first(tmp_path) == paths[::-1]


def test_the_log_has_the_time_of_each_line(tmp_path: Path) -> None:
    LogFile(tmp_path / "train.log").log("a line")
    time, _, text = (tmp_path / "train.log").read_text().partition(" ")
    assert datetime.fromisoformat(time).utcoffset() is not None
    assert text == "a line\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_progress_line_says_how_far_and_what_is_saved() -> None:
    out = Terminal()
    console = Console(out)
    console.started(run_started())
    console.point(point(5, train_loss=0.5, train_top1=90.0, images_per_second=100.0, sd_compute=0.75))
    line = out.getvalue().splitlines()[-1]
    assert "epoch 1.0/4" in line
    assert "25 % compute saved" in line
    assert "ETA 0:00:0" in line
    console.log("a lasting line")
    assert out.getvalue().endswith("\ra lasting line\n")


def test_what_is_saved_is_told_of_all_steps_and_not_of_all_reports() -> None:
    out = Terminal()
    console = Console(out)
    console.started(run_started(10))
    for step, share in ((19, 0.9), (20, 0.0)):
        console.point(point(step, train_loss=0.5, sd_compute=share, images_per_second=1.0))
    assert "19 % compute saved" in out.getvalue()


@pytest.mark.parametrize("columns", [30, 80, 200])
def test_the_progress_line_of_a_training_of_days_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = Terminal()
    console = Console(out)
    console.started(replace(run_started(), epochs=120, steps_per_epoch=10**9))
    console.point(point(5, train_loss=0.5, train_top1=90.0, images_per_second=1000.0, sd_compute=0.75))
    line = out.getvalue().splitlines()[-1]
    assert len(line) < columns
    assert "ETA " in line
    assert ("25 % compute saved" in line) == (columns >= 80)
    assert ("top-1" in line) == (columns > 80)
