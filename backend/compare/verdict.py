"""The verdict over a comparison's runs, as the evidence room gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.db.tables import Run
from worker.contract import names
from worker.contract.status import RunStatus
from worker.evidence.figures import RunFigures
from worker.evidence.pairs import CompletedRun
from worker.evidence.verdict import Verdict, verdict_of


def verdict_on(runs: Sequence[Run], results: Mapping[str, RunFigures]) -> Verdict:
    """`results` are the figures of the whole runs, by their ids."""
    completed = [run for run in runs if run.status == RunStatus.COMPLETED and run.arm is not None]
    return verdict_of([_completed(run, results[run.id]) for run in completed])


def _completed(run: Run, figures: RunFigures) -> CompletedRun:
    assert run.arm is not None
    return CompletedRun(
        **dict(figures),
        run=run.id,
        seed=run.config["seed"],
        arm=run.arm,
        last_top1=run.latest.get(names.Metric.VAL_TOP1),
        best_top1=run.best_top1,
        last_loss=run.latest.get(names.Metric.VAL_LOSS),
        seconds=run.elapsed_seconds,
    )
