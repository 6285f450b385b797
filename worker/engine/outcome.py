"""How a training ends: what `train` returns, and the errors with which it says that it cannot go on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from worker.contract.status import Desired


class Ending(StrEnum):
    COMPLETED = "completed"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Best:
    """The best val/top1 so far, in percent, and the step after which it was measured."""

    top1: float
    step: int


@dataclass(frozen=True)
class Outcome:
    """`step` steps are done and, unless completed, in a checkpoint; `elapsed_seconds` counts all attempts' training."""

    ending: Ending
    step: int
    elapsed_seconds: float
    best: Best | None = None


class TrainingDiverged(RuntimeError):
    """The loss is not finite any more; going on would only spend time."""


class RankLost(RuntimeError):
    """One of the processes that share the batches ended; the others cannot go on without it."""


class DeviceUnavailable(ValueError):
    """The configuration asks for a device, or a precision of it, that this machine does not have."""


class Interrupted(Exception):
    """Raised inside the training where somebody wants it paused or stopped; `train` turns it into an Outcome."""

    def __init__(self, desired: Desired) -> None:
        super().__init__(desired.value)
        self.desired = desired
