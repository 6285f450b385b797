"""What a run reports as its speed is of its steps alone: told by a clock that every other thing moves, too."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.engine.parts import InterruptAfter, Recorder, attempt, run_to_end, tiny
from worker.contract.messages import Point
from worker.contract.status import Desired
from worker.engine import progress
from worker.engine.ports import SavedCheckpoint
from worker.engine.sinks.fanout import FanOut
from worker.engine.sinks.history import HistoryFile
from worker.engine.sinks.summary import SummaryFile
from worker.evidence.figures import WARMUP_STEPS

SLOW = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock by which speed is measured; it stands still unless somebody moves it."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


class Asked:
    """A Control: each question, before a step or a batch of an evaluation, takes a second, and more after a start."""

    def __init__(self, clock: SimpleNamespace, *, questions: int = 10**9, slow: int = 0) -> None:
        self._clock = clock
        self._slow = slow
        self._until = InterruptAfter(questions)

    def desired(self) -> Desired:
        self._clock.seconds += SLOW if self._slow > 0 else 1.0
        self._slow -= 1
        return self._until.desired()


class Slow(Recorder):
    """Takes long to be told of an evaluation or of a checkpoint."""

    def __init__(self, clock: SimpleNamespace) -> None:
        super().__init__()
        self._clock = clock

    def point(self, point: Point) -> None:
        super().point(point)
        self._clock.seconds += SLOW

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        super().checkpoint(saved)
        self._clock.seconds += SLOW


def test_evaluations_checkpoints_and_reports_are_not_in_the_speed(tmp_path: Path, clock: SimpleNamespace) -> None:
    config = tiny(epochs=3, log_every=3, checkpoint_minutes=1e-9)
    told = run_to_end(config, tmp_path, sink=Slow(clock), control=Asked(clock))
    assert told.values("images_per_second") == [256.0] * 5
    assert len(told.checkpoints) == 15


def train_on(folder: Path, clock: SimpleNamespace, *, questions: int, **changes: Any) -> dict[str, Any]:
    """One more attempt, whose first ten steps are slow; gives what summary.json says afterwards."""
    folder.mkdir(exist_ok=True)
    config = tiny(epochs=8, **changes)
    summary = SummaryFile(folder / "summary.json", history=folder / "history.csv", config=config)
    sink = FanOut([HistoryFile(folder / "history.csv"), summary])
    control = Asked(clock, questions=questions, slow=WARMUP_STEPS)
    summary.finish(attempt(config, folder / "checkpoints", sink=sink, control=control))  # type: ignore[arg-type]
    return dict(json.loads((folder / "summary.json").read_text()))


def test_the_steps_after_each_start_are_not_timed(tmp_path: Path, clock: SimpleNamespace) -> None:
    paused = train_on(tmp_path, clock, questions=25, log_every=1, eval_every=8)
    assert (paused["status"], paused["step"]) == ("paused", 25)
    summary = train_on(tmp_path, clock, questions=10**9, log_every=1, eval_every=8)
    assert [start["step"] for start in summary["starts"]] == [0, 25]
    # 40 steps, of which ten after each of the two starts are slow.
    assert summary["results"]["step_seconds"] == {"median": 1.0, "q1": 1.0, "q3": 1.0, "n": 20}
    assert summary["results"]["machines"] == [summary["starts"][0]["machine"]]


@pytest.mark.parametrize("log_every", [3, 7])
def test_a_pause_between_two_reports_changes_no_result(tmp_path: Path, clock: SimpleNamespace, log_every: int) -> None:
    """The shares of compute that were summed up before it are part of the report after it."""
    every_step = train_on(tmp_path / "every", clock, questions=10**9, log_every=1)["results"]
    undisturbed = train_on(tmp_path / "undisturbed", clock, questions=10**9, log_every=log_every)["results"]
    train_on(tmp_path / "paused", clock, questions=31, log_every=log_every)
    found = train_on(tmp_path / "paused", clock, questions=10**9, log_every=log_every)["results"]
    for name in ("compute", "depth", "train_loss"):
        assert found[name] == pytest.approx(undisturbed[name], rel=1e-9), name
    for name in ("compute", "depth"):
        assert found[name] == pytest.approx(every_step[name], rel=1e-9), name


def test_a_start_is_told_with_its_machine(tmp_path: Path, clock: SimpleNamespace) -> None:
    summary = train_on(tmp_path, clock, questions=10**9, log_every=5)
    machine = {name: summary[name] for name in ("device", "threads", "versions")}
    assert summary["starts"] == [{"step": 0, "machine": machine}]
