"""One sink for several."""

from __future__ import annotations

from collections.abc import Sequence

from worker.contract.messages import Point
from worker.engine.ports import MetricSink, RunStarted, SavedCheckpoint


class FanOut:
    """Tells each of `sinks`, in their order."""

    def __init__(self, sinks: Sequence[MetricSink]) -> None:
        self._sinks = tuple(sinks)

    def started(self, run: RunStarted) -> None:
        for sink in self._sinks:
            sink.started(run)

    def point(self, point: Point) -> None:
        for sink in self._sinks:
            sink.point(point)

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        for sink in self._sinks:
            sink.checkpoint(saved)

    def notice(self, text: str) -> None:
        for sink in self._sinks:
            sink.notice(text)

    def damaged(self, count: int) -> None:
        for sink in self._sinks:
            sink.damaged(count)

    def log(self, line: str) -> None:
        for sink in self._sinks:
            sink.log(line)
