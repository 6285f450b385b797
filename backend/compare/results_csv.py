"""The results of a comparison as a table: a row for each run, which `resdrop evidence` reads as it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from backend.compare.design import plan_of
from backend.db.tables import Comparison, Run
from worker.contract import names
from worker.contract.status import RunStatus
from worker.contract.text import csv_text
from worker.evidence.figures import RunFigures
from worker.evidence.study import Ending

HEADINGS = (
    *(
        "arm",
        "seed",
        "value",
        "run",
        "status",
        "epochs",
        "last_top1",
        "last_top5",
        "last_loss",
        "best_top1",
        "train_loss",
    ),
    *("elapsed_seconds", "step_seconds", "step_q1", "step_q3", "images_per_second", "compute", "depth", "device"),
)
_ENDED = {RunStatus.FAILED: Ending.FAILED.value, RunStatus.STOPPED: Ending.STOPPED.value}


def results_csv(comparison: Comparison, runs: Sequence[Run], results: Mapping[str, RunFigures]) -> str:
    """`value` is what the plan is about, of a completed run; else empty, or how it ended. The reference comes first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADINGS)
    metric = plan_of(comparison).metric
    for run in runs:
        writer.writerow(["" if cell is None else cell for cell in _row(run, results[run.id], metric)])
    return text.getvalue()


def _row(run: Run, figures: RunFigures, metric: str) -> tuple[object, ...]:
    status, step = RunStatus(run.status), figures.step_seconds
    last = run.latest.get
    value = last(metric) if status is RunStatus.COMPLETED else _ENDED.get(status)
    return (
        *(csv_text(run.arm or ""), run.config["seed"], value, run.id, run.status, run.epoch),
        *(last(names.Metric.VAL_TOP1), last(names.Metric.VAL_TOP5), last(names.Metric.VAL_LOSS), run.best_top1),
        *(figures.train_loss, run.elapsed_seconds),
        *((step.median, step.q1, step.q3) if step else (None, None, None)),
        *(figures.images_per_second, figures.compute, figures.depth, csv_text(run.facts.get("device") or "")),
    )
