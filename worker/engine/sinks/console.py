"""One line that says how far the training is, and a lasting one for every epoch."""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from typing import TextIO

from worker.contract.messages import Point
from worker.contract.names import Metric
from worker.engine.output import show
from worker.engine.ports import NullSink, RunStarted
from worker.evidence.figures import StepWeightedMean

QUIET_SECONDS = 10.0
GAP = "  "
DAY = timedelta(days=1)


class Console(NullSink):
    """On a terminal the line is drawn over itself; elsewhere a new one is written every ten seconds."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._drawn_at = 0.0
        self._drawn_width = 0

    def started(self, run: RunStarted) -> None:
        self._run = run
        self._began_at = time.monotonic()
        self._compute = StepWeightedMean(begin=run.step, through=run.step)
        place = f"going on after step {run.step}" if run.step else "from the beginning"
        self.log(
            f"{run.parameters:,} parameters in {run.blocks} blocks on {run.device}, {run.threads} threads, "
            f"{run.loader}; {run.epochs} epochs of {run.steps_per_epoch} steps, {place}"
        )

    def point(self, point: Point) -> None:
        share = point.values.get(Metric.SD_COMPUTE)
        if share is not None:
            self._compute.add(point.step, share)
        now = time.monotonic()
        if Metric.TRAIN_LOSS in point.values and (self._is_terminal or now - self._drawn_at >= QUIET_SECONDS):
            self._drawn_at = now
            self._draw(self._progress(point))

    def notice(self, text: str) -> None:
        self.log(f"note: {text}")

    def log(self, line: str) -> None:
        show(f"{line}\n", self._out, erasing=self._erased())

    def _progress(self, point: Point) -> list[str]:
        """The most telling parts first: a narrow terminal leaves out the last ones."""
        values, total = point.values, self._run.epochs * self._run.steps_per_epoch
        compute = self._compute.mean
        return [
            f"epoch {point.epoch:.1f}/{self._run.epochs}",
            f"ETA {self._eta(point.step, total)}",
            f"loss {_shown(values.get(Metric.TRAIN_LOSS), '.3f')}",
            f"{_shown(values.get(Metric.IMAGES_PER_SECOND), '.0f')} images/s",
            *([] if compute is None else [f"{100 * (1 - compute):.0f} % compute saved"]),
            f"top-1 {_shown(values.get(Metric.TRAIN_TOP1), '.1f')} %",
        ]

    def _eta(self, step: int, total: int) -> str:
        seconds_per_step = (time.monotonic() - self._began_at) / max(1, step - self._run.step)
        left = timedelta(seconds=round(seconds_per_step * (total - step)))
        return f"{left / DAY:.1f} days" if left >= DAY else str(left)

    def _fitted(self, parts: list[str]) -> str:
        """A line that wraps could not be drawn over."""
        room = shutil.get_terminal_size().columns - 1
        while len(line := GAP.join(parts)) > room and len(parts) > 1:
            parts = parts[:-1]
        return line[:room]

    def _draw(self, parts: list[str]) -> None:
        line = self._fitted(parts) if self._is_terminal else GAP.join(parts)
        show(line if self._is_terminal else f"{line}\n", self._out, erasing=self._erased())
        self._drawn_width = len(line) if self._is_terminal else 0

    def _erased(self) -> str:
        width, self._drawn_width = self._drawn_width, 0
        return f"\r{' ' * width}\r" if width else ""


def _shown(value: float | None, form: str) -> str:
    return "not finite" if value is None else format(value, form)
