"""summary.json: how the run stands and what it came to so far, in one small file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from worker.contract.config import RunConfig
from worker.contract.messages import Point
from worker.contract.names import Metric
from worker.engine.measured import measurements, starts_of
from worker.engine.outcome import Outcome
from worker.engine.ports import NullSink, RunStarted
from worker.engine.sinks.deferred import DeferredFile, Refusals
from worker.engine.sinks.history import rows_before
from worker.evidence.figures import Machine, RunMeasurements, Start


class SummaryFile(NullSink):
    """Written at the start, after every evaluation and at the end.

    `latest` has the last value of each metric, `results` the figures of the whole run so far, and `starts` the steps
    after which its training processes began, each with its machine. What attempts before this one reported is read from
    `history`.
    """

    def __init__(self, path: Path, refusals: Refusals | None = None, *, history: Path, config: RunConfig) -> None:
        self._file = DeferredFile(path, refusals or Refusals(path.parent))
        self._history = history
        self._config = config
        self._content: dict[str, Any] = {"status": "running"}
        self._starts = starts_of(_read(path))
        self._latest: dict[str, float | None] = {}
        self._measured: RunMeasurements | None = None

    def started(self, run: RunStarted) -> None:
        self._content |= asdict(run) | {"steps": run.epochs * run.steps_per_epoch}
        del self._content["evaluation_due"]
        machine = Machine(device=run.device, threads=run.threads, versions=dict(run.versions))
        kept = [start for start in self._starts if start.step < run.step]
        self._starts = [*kept, Start(step=run.step, machine=machine)]
        self._measured = measurements(
            rows_before(self._history, run),
            self._starts,
            batch=self._config.batch,
            steps_per_epoch=run.steps_per_epoch,
        )
        self._write()

    def point(self, point: Point) -> None:
        self._latest |= point.values
        self._content |= {"step": point.step, "elapsed_seconds": point.elapsed_seconds}
        assert self._measured is not None
        self._measured.add(point.step, point.values, self._starts[-1])
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
        starts = [start.model_dump() for start in self._starts]
        told = self._content | {"starts": starts, "latest": self._latest}
        if self._measured is not None:
            figures = self._measured.figures(blocks=self._content["blocks"], sd=self._config.sd)
            told["results"] = figures.model_dump()
        self._file.replace(json.dumps(told, indent=2) + "\n")

    def flush(self) -> bool:
        return self._file.flush()


def _read(path: Path) -> dict[str, Any]:
    """Empty where nothing can be read: the file is about to be written anew."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
