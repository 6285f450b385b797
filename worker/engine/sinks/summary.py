"""summary.json: how the run stands, in one small file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from worker.contract.messages import Point
from worker.contract.names import Metric
from worker.engine.atomic import write_text
from worker.engine.outcome import Outcome
from worker.engine.ports import NullSink, RunStarted


class SummaryFile(NullSink):
    """Written at the start, after every evaluation and at the end; `latest` has the last value of each metric."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content: dict[str, Any] = {"status": "running"}
        self._latest: dict[str, float | None] = {}

    def started(self, run: RunStarted) -> None:
        self._content |= asdict(run) | {"steps": run.epochs * run.steps_per_epoch}
        del self._content["evaluation_due"]
        self._write()

    def point(self, point: Point) -> None:
        self._latest |= point.values
        self._content |= {"step": point.step, "elapsed_seconds": point.elapsed_seconds}
        if Metric.VAL_TOP1.value in point.values:
            self._write()

    def damaged(self, count: int) -> None:
        self._content["damaged_files"] = count
        self._write()

    def finish(self, outcome: Outcome) -> None:
        best = None if outcome.best is None else {Metric.VAL_TOP1.value: outcome.best.top1, "step": outcome.best.step}
        self._content |= {"step": outcome.step, "elapsed_seconds": outcome.elapsed_seconds, "best": best}
        self._content["status"] = outcome.ending.value
        self._write()

    def fail(self, reason: str) -> None:
        self._content |= {"status": "failed", "reason": reason}
        self._write()

    def _write(self) -> None:
        write_text(self._path, json.dumps(self._content | {"latest": self._latest}, indent=2) + "\n")
