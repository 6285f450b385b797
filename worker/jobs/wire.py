"""What a supervisor and its trainer tell each other: one JSON object on a line, each way through a pipe of its own.

The trainer's first line on stdin is an Assignment, every later one an Order. It speaks through the file descriptor
that MESSAGES_FD names.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from worker.contract.messages import Part, Point, RunSpec
from worker.contract.numbers import Count

#: The environment variable that names the descriptor on which the trainer speaks.
MESSAGES_FD = "RESDROP_MESSAGES_FD"


class Order(StrEnum):
    PAUSE = "pause"
    STOP = "stop"


class Assignment(Part):
    """What to train and where its files are; devices and threads are in the trainer's environment."""

    spec: RunSpec
    files: Path
    root_id: str
    #: Whoever else turns out to be the parent, the supervisor has died meanwhile.
    supervisor_pid: Count

    @property
    def checkpoint_folder(self) -> Path:
        """Of this attempt."""
        return self._run_folder / f"attempt-{self.spec.attempt}"

    def earlier_checkpoint_folders(self) -> list[Path]:
        """Of the attempts before."""
        return [folder for folder in self._run_folder.glob("attempt-*") if folder != self.checkpoint_folder]

    def checkpoint_file(self, path: str) -> Path:
        """A checkpoint of this run by its path below the root. Raises ValueError for one that leads elsewhere."""
        file = (self.files / path).resolve()
        if not file.is_relative_to(self._run_folder.resolve()):
            raise ValueError(f"checkpoint {path!r} is not in the folder of run {self.spec.run_id}")
        return file

    @property
    def _run_folder(self) -> Path:
        return self.files / "runs" / self.spec.run_id


class Tick(Part):
    """Something went on: a step, a batch of an evaluation."""

    kind: Literal["tick"] = "tick"


class Measured(Part):
    kind: Literal["measured"] = "measured"
    point: Point


class Told(Part):
    """A message of the contract, its kind and its body; the supervisor adds run, attempt, claim and number."""

    kind: Literal["told"] = "told"
    message: str
    body: dict[str, Any]


class Damaged(Part):
    """A checkpoint could not be read and was passed over; `reason` names the file."""

    kind: Literal["damaged"] = "damaged"
    path: str
    reason: str


class Outcome(StrEnum):
    COMPLETED = "completed"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"
    #: It had to end, and the disk did not take the checkpoint of that moment.
    UNSAVED = "unsaved"


class Ended(Part):
    """The trainer's last word. `reason` is for a person, where the training failed."""

    kind: Literal["ended"] = "ended"
    outcome: Outcome
    step: Count = 0
    elapsed_seconds: float = 0.0
    reason: str = ""


Report = Annotated[Tick | Measured | Told | Damaged | Ended, Field(discriminator="kind")]
REPORT: TypeAdapter[Report] = TypeAdapter(Report)
