"""Event files for TensorBoard, where it is installed."""

from __future__ import annotations

import importlib.util
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from worker.contract.messages import Point
from worker.contract.names import Metric
from worker.engine.ports import NullSink, RunStarted
from worker.engine.sinks.deferred import RETRY_SECONDS, Refusals
from worker.engine.sinks.history import HistoryFile


def is_installed() -> bool:
    return importlib.util.find_spec("tensorboard") is not None


def _told_elsewhere(args: threading.ExceptHookArgs) -> None:
    """The thread that writes events ends with a traceback where it cannot; `point` hears of it and tells."""
    is_ours = type(args.thread).__module__.startswith("tensorboard.")
    if not (is_ours and isinstance(args.exc_value, OSError)):
        threading.__excepthook__(args)


class TensorBoardEvents(NullSink):
    """Scalars over the step, written within ten seconds; a resume voids later steps of the same folder.

    Nobody knows which of its events were written before a refusal. So after one the folder is written anew, from
    `history`, which has every point once it is written itself; it has to hear of each point first.
    """

    def __init__(self, folder: Path, refusals: Refusals | None = None, *, history: HistoryFile) -> None:
        self._folder = folder
        self._refusals = refusals or Refusals(folder.parent)
        self._history = history
        self._writer: Any = None
        self._is_refused = False
        self._tried_at = 0.0

    def started(self, run: RunStarted) -> None:
        with self._bearing_refusals():
            self._open(purge_step=run.step + 1)

    def point(self, point: Point) -> None:
        if self._is_refused:
            if time.monotonic() - self._tried_at >= RETRY_SECONDS:
                self.flush()
            return
        with self._bearing_refusals():
            for name, value in point.values.items():
                if value is not None:
                    self._writer.add_scalar(name, value, point.step, walltime=point.at.timestamp())

    def flush(self) -> bool:
        """Has the disk taken everything?"""
        if self._writer is not None:
            with self._bearing_refusals():
                self._writer.flush()
        if self._is_refused:
            self._tried_at = time.monotonic()
            with self._bearing_refusals():
                if self._history.flush():
                    self._write_anew()
                    self._is_refused = False
                    self._refusals.clear(self._folder.name)
        return not self._is_refused

    def close(self) -> None:
        """Says nothing of a refusal, of which `flush` has told."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()

    def _open(self, **options: Any) -> None:
        # Importing it takes a second or more, so it waits until a training is sure to begin.
        from torch.utils.tensorboard import SummaryWriter

        threading.excepthook = _told_elsewhere
        self._writer = SummaryWriter(str(self._folder), flush_secs=10, **options)

    def _write_anew(self) -> None:
        """Raises OSError."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._open()
        for row in self._history.rows():
            at = datetime.fromisoformat(row["at"]).timestamp()
            for name in (metric.value for metric in Metric):
                if row.get(name):
                    self._writer.add_scalar(name, float(row[name]), int(row["step"]), walltime=at)
        self._writer.flush()

    @contextmanager
    def _bearing_refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.close()
            self._writer = None
            self._is_refused = True
            self._tried_at = time.monotonic()
            self._refusals.note(self._folder.name, error)
