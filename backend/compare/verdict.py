"""The verdict over a comparison's runs, as the evidence room gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.compare.design import arms_of, plan_of
from backend.compare.deviations import departures, planned_seeds
from backend.db.tables import Comparison, Run
from worker.contract import names
from worker.contract.status import RunStatus
from worker.evidence.figures import RunFigures
from worker.evidence.pairs import CompletedRun
from worker.evidence.study import Ending
from worker.evidence.verdict import Design, Unfinished, Verdict, verdict_of

_ENDINGS = {RunStatus.FAILED: Ending.FAILED, RunStatus.STOPPED: Ending.STOPPED}


def verdict_on(comparison: Comparison, runs: Sequence[Run], results: Mapping[str, RunFigures]) -> Verdict:
    """`results` are the figures of the whole runs, by their ids. Raises ScipyMissing from two complete seeds on."""
    seeds = comparison.seeds
    # A seed that was dropped from the plan does not count any more.
    members = [run for run in runs if run.arm is not None and (seeds is None or run.config["seed"] in seeds)]
    completed = [run for run in members if run.status == RunStatus.COMPLETED]
    design = Design(
        arms=tuple(arm.name for arm in arms_of(comparison)),
        seeds=None if seeds is None else tuple(planned_seeds(comparison)),
        plan=plan_of(comparison),
        departures=departures(comparison),
    )
    unfinished = [*_unfinished(members), *_deleted(members, design)]
    return verdict_of([_completed(run, results[run.id]) for run in completed], design, unfinished)


def _unfinished(runs: Sequence[Run]) -> list[Unfinished]:
    return [
        Unfinished(
            seed=run.config["seed"], arm=str(run.arm), ending=_ENDINGS.get(RunStatus(run.status), Ending.PENDING)
        )
        for run in runs
        if run.status != RunStatus.COMPLETED
    ]


def _deleted(runs: Sequence[Run], design: Design) -> list[Unfinished]:
    """Every seed was launched with all arms."""
    there = {(run.config["seed"], run.arm) for run in runs}
    return [
        Unfinished(seed=seed, arm=arm, ending=Ending.DELETED)
        for seed in design.seeds or ()
        for arm in design.arms
        if (seed, arm) not in there
    ]


def _completed(run: Run, figures: RunFigures) -> CompletedRun:
    assert run.arm is not None
    return CompletedRun(
        **dict(figures),
        run=run.id,
        seed=run.config["seed"],
        arm=run.arm,
        last_top1=run.latest.get(names.Metric.VAL_TOP1),
        last_top5=run.latest.get(names.Metric.VAL_TOP5),
        best_top1=run.best_top1,
        last_loss=run.latest.get(names.Metric.VAL_LOSS),
        seconds=run.elapsed_seconds,
    )
