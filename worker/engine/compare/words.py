"""The runs of a comparison as plain tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from worker.engine.compare.outcome import RunResult
from worker.evidence.columns import aligned
from worker.evidence.sentences import step_text

HEADINGS = (
    *("seed", "arm", "status", "best val/top1", "last val/top1", "val/loss", "time", "median step (quartiles)"),
    *("compute", "depth"),
)
NOT_KNOWN = "–"
SHORT_SECONDS = 120
#: Of each run in comparison.csv; a step's median and quartiles follow.
COLUMNS = (
    *("seed", "arm", "status", "reason", "best_top1", "last_top1", "last_loss", "seconds", "compute", "depth"),
    *("images_per_second", "train_loss"),
)
STEP_COLUMNS = {"step_seconds": "median", "step_seconds_q1": "q1", "step_seconds_q3": "q3"}


def cells(run: RunResult) -> tuple[str, ...]:
    """As text, in the order of HEADINGS."""
    return (
        str(run.seed),
        run.arm,
        run.status,
        _shown(run.best_top1, "{:.2f} %"),
        _shown(run.last_top1, "{:.2f} %"),
        _shown(run.last_loss, "{:.4f}"),
        NOT_KNOWN if run.seconds is None else _duration(run.seconds),
        step_text(run.step_seconds),
        _shown(None if run.compute is None else 100 * run.compute, "{:.1f} %"),
        _shown(run.depth, "{:.2f}"),
    )


def table(results: Sequence[RunResult]) -> str:
    rows = [HEADINGS, *(cells(result) for result in results)]
    return "\n".join(aligned(rows, left=3))


def as_csv(results: Sequence[RunResult]) -> str:
    """A row for each run, with every digit."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*COLUMNS, *STEP_COLUMNS], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(result) for result in results)
    return text.getvalue()


def _row(result: RunResult) -> dict[str, Any]:
    step = result.step_seconds
    timed = {name: None if step is None else getattr(step, field) for name, field in STEP_COLUMNS.items()}
    return {name: getattr(result, name) for name in COLUMNS} | timed


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < SHORT_SECONDS else str(timedelta(seconds=round(seconds)))


def _shown(value: float | None, form: str) -> str:
    return NOT_KNOWN if value is None else form.format(value)
