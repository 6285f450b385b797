"""A run small enough to be trained in a second, and what is asked of several of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from worker.contract.config import RunConfig
from worker.contract.messages import Point
from worker.contract.status import Desired
from worker.engine.checkpoint import load, newest_first
from worker.engine.outcome import Ending, Outcome
from worker.engine.ports import Control, NullControl, NullSink, RunStarted, SavedCheckpoint
from worker.engine.trainer import train

#: 5 steps an epoch on digits at their own 8 px; an evaluation has 2 batches for batch norm and 2 of validation.
TINY: dict[str, Any] = {
    "image_size": 8,
    "batch": 256,
    "epochs": 2,
    "lr": 0.1,
    "warmup_epochs": 1,
    "bn_reestimate": 2,
    "log_every": 3,
    "sd": True,
    "seed": 3,
    "threads": 1,
}
TIMES = {"images_per_second"}


def tiny(**changes: Any) -> RunConfig:
    return RunConfig.model_validate(TINY | changes)


class Recorder(NullSink):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.runs: list[RunStarted] = []
        self.points: list[Point] = []
        self.checkpoints: list[SavedCheckpoint] = []
        self.notices: list[str] = []
        self.damage_counts: list[int] = []

    def started(self, run: RunStarted) -> None:
        self.runs.append(run)

    def point(self, point: Point) -> None:
        self.points.append(point)

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        self.checkpoints.append(saved)

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def damaged(self, count: int) -> None:
        self.damage_counts.append(count)

    def history(self) -> list[tuple[int, float, dict[str, float | None]]]:
        """The points without their times."""
        return [
            (point.step, point.epoch, {name: value for name, value in point.values.items() if name not in TIMES})
            for point in self.points
        ]

    def values(self, name: str) -> list[float | None]:
        return [point.values[name] for point in self.points if name in point.values]


class InterruptAfter:
    """A Control that wants a pause, or a stop, from the given question on."""

    def __init__(self, questions: int, *, wish: Desired = Desired.PAUSE) -> None:
        self._left = questions
        self._wish = wish

    def desired(self) -> Desired:
        self._left -= 1
        return Desired.RUN if self._left >= 0 else self._wish


def run_to_end(
    config: RunConfig, folder: Path, *, sink: Recorder | None = None, control: Control | None = None
) -> Recorder:
    """Trains in `folder` from the beginning, or from its newest checkpoint."""
    recorder = sink or Recorder()
    outcome = attempt(config, folder, sink=recorder, control=control or NullControl())
    assert outcome.ending is Ending.COMPLETED
    return recorder


def attempt(config: RunConfig, folder: Path, *, sink: Recorder, control: Control) -> Outcome:
    found = newest_first(folder)
    return train(config, sink=sink, control=control, checkpoints=folder, resume=load(found[0]) if found else None)


def final_state(folder: Path) -> dict[str, Any]:
    """The newest checkpoint but for its times."""
    content = dict(load(newest_first(folder)[0]).content)
    del content["elapsed_seconds"]
    return content


def differences(one: object, other: object, where: str = "") -> list[str]:
    """Where two nested states are not the same, bit for bit."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if one.keys() != other.keys():
            return [f"{where}: {sorted(one.keys() ^ other.keys())}"]
        return [found for key in one for found in differences(one[key], other[key], f"{where}/{key}")]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.dtype == other.dtype and one.shape == other.shape and one.stride() == other.stride()
        return [] if same and torch.equal(one, other) else [where]
    return [] if one == other else [where]
