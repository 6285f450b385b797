"""What the engine needs of the outside: somewhere to tell what happens, and somebody to ask whether to go on.

Each port has a Null twin, so that a training runs without a platform; the twins that write files are in `sinks/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from worker.contract.messages import Point
from worker.contract.status import Desired


@dataclass(frozen=True)
class RunStarted:
    """Everything is loaded and the step after `step` is about to be made.

    What was told of later steps is void: it will be told again. `evaluation_due` says the same of the evaluation of
    the epoch that ends at `step`, which comes first. `damaged_files` is what `damaged` was last told. `loader` says in
    words how many processes load images for each device, and why where that was chosen.
    """

    step: int
    epochs: int
    steps_per_epoch: int
    blocks: int
    parameters: int
    device: str
    threads: int
    evaluation_due: bool = False
    damaged_files: int = 0
    loader_processes: int = 0
    loader: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SavedCheckpoint:
    """A checkpoint that is on the disk, whole and synced; `best` if val/top1 was never higher than here."""

    path: Path
    step: int
    epoch: float
    size_bytes: int
    sha256: str
    elapsed_seconds: float
    best: bool = False


class MetricSink(Protocol):
    """Told in the order in which it happens, on the thread that trains: what takes long delays the training.

    An error raised here ends the training. `started` comes first and once; any of the others may follow.
    """

    def started(self, run: RunStarted) -> None: ...

    def point(self, point: Point) -> None: ...

    def checkpoint(self, saved: SavedCheckpoint) -> None: ...

    def notice(self, text: str) -> None:
        """Something a person should see: a damaged checkpoint passed over, a setting that does nothing."""

    def damaged(self, count: int) -> None:
        """So many files of the run could not be decoded so far; they are named by `notice`, or by `log`."""

    def log(self, line: str) -> None:
        """A line of the training's log, without its time."""


class Control(Protocol):
    """Asked before every step and every batch of an evaluation, so it must answer from memory."""

    def desired(self) -> Desired: ...


class NullSink:
    """Nobody listens."""

    def started(self, run: RunStarted) -> None:
        pass

    def point(self, point: Point) -> None:
        pass

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        pass

    def notice(self, text: str) -> None:
        pass

    def damaged(self, count: int) -> None:
        pass

    def log(self, line: str) -> None:
        pass


class NullControl:
    """Nobody interrupts."""

    def desired(self) -> Desired:
        return Desired.RUN
