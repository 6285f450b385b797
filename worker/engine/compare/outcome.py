"""What each run of a comparison came to, read from its folder; what can be said of it is the evidence room's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from worker.contract.names import Metric
from worker.engine.compare.arms import Arm
from worker.engine.compare.running import End
from worker.engine.compare.standing import read_summary
from worker.engine.measured import Row, figures_of
from worker.engine.sinks.history import VALIDATION, read_history
from worker.evidence.image_verdict import Network, compare_arms
from worker.evidence.pairs import CompletedRun
from worker.evidence.predictions import PredictionsUnreadable, read_predictions
from worker.evidence.study import Ending
from worker.evidence.verdict import Design, Unfinished, Verdict, verdict_of

COMPLETED = "completed"
_ENDINGS = {ending.value: ending for ending in (Ending.FAILED, Ending.STOPPED)}


class RunResult(CompletedRun):
    """A run whether it has completed or not; `reason` is why it has not."""

    status: str
    reason: str = ""


def result_of(arm: Arm, end: End | None) -> RunResult:
    summary, rows = read_summary(arm.folder.summary), read_history(arm.folder.history)
    last = _last_evaluation(rows)
    return RunResult(
        **dict(figures_of(rows, summary, arm.config)),
        run=arm.key,
        seed=arm.seed,
        arm=arm.name,
        status=end.status if end else "not begun" if not summary else "paused",
        reason=end.reason if end else "",
        best_top1=max((float(row[Metric.VAL_TOP1]) for row in rows if row[Metric.VAL_TOP1]), default=None),
        last_top1=_number(last, Metric.VAL_TOP1),
        last_top5=_number(last, Metric.VAL_TOP5),
        last_loss=_number(last, Metric.VAL_LOSS),
        seconds=summary.get("elapsed_seconds"),
    )


def results_of(arms: Sequence[Arm], ends: Mapping[str, End]) -> list[RunResult]:
    return [result_of(arm, ends.get(arm.key)) for arm in arms]


def verdict_on(results: Sequence[RunResult], design: Design | None = None) -> Verdict:
    """Without a design, of a baseline and its twin over all seeds. Raises ScipyMissing."""
    completed = [result for result in results if result.status == COMPLETED]
    unfinished = [
        Unfinished(seed=result.seed, arm=result.arm, ending=_ENDINGS.get(result.status, Ending.PENDING))
        for result in results
        if result.status != COMPLETED
    ]
    return verdict_of(completed, design, unfinished)


def with_images(verdict: Verdict, arms: Sequence[Arm], design: Design) -> Verdict:
    """Image by image, of the seeds that count, by what their runs guess."""
    networks = [
        (name, [_network(arm) for arm in arms if arm.name == name and arm.seed in verdict.seeds])
        for name in design.arms
    ]
    return verdict.with_images(compare_arms(networks, design.plan.confidence))


def _network(arm: Arm) -> Network:
    predictions = None
    with suppress(OSError, PredictionsUnreadable):
        predictions = read_predictions(arm.folder.predictions, also=("names",))
    return Network(arm.key, arm.seed, predictions)


def as_json(results: Sequence[RunResult], verdict: Verdict) -> dict[str, Any]:
    return {
        "runs": [result.model_dump(mode="json") for result in results],
        "verdict": verdict.model_dump(mode="json"),
    }


def _last_evaluation(rows: Sequence[Row]) -> Row:
    """An evaluation whose loss is not finite is one all the same, and no earlier one takes its place."""
    return next((row for row in reversed(rows) if any(row[name] for name in VALIDATION)), {})


def _number(row: Row, metric: Metric) -> float | None:
    return float(row[metric]) if row.get(metric) else None
