"""Event files for TensorBoard, where it is installed."""

from __future__ import annotations

import importlib.util
from contextlib import suppress
from pathlib import Path
from typing import Any

from worker.contract.messages import Point
from worker.engine.ports import NullSink, RunStarted


def is_installed() -> bool:
    return importlib.util.find_spec("tensorboard") is not None


class TensorBoardEvents(NullSink):
    """Scalars over the step, written within ten seconds; a resume voids later steps of the same folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def started(self, run: RunStarted) -> None:
        # Importing it takes a second or more, so it waits until a training is sure to begin.
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self._folder), purge_step=run.step + 1, flush_secs=10)

    def point(self, point: Point) -> None:
        for name, value in point.values.items():
            if value is not None:
                self._writer.add_scalar(name, value, point.step, walltime=point.at.timestamp())

    def close(self) -> None:
        """Says nothing of a full disk, of which `point` has told: whoever closes has its own reason to tell of."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
