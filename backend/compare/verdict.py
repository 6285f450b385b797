"""What stochastic depth bought in each pair of runs that both finished."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from pydantic import BaseModel

from backend.db.tables import Run
from worker.contract import names
from worker.contract.status import RunStatus


class Outcome(BaseModel):
    """Accuracies in percent, seconds of training."""

    run: str
    last_top1: float | None
    best_top1: float | None
    seconds: float


class Pair(BaseModel):
    """`difference` is stochastic depth minus baseline, of the last val/top1; `time_ratio` is SD over baseline."""

    seed: int
    baseline: Outcome
    sd: Outcome
    difference: float | None
    time_ratio: float | None


class Verdict(BaseModel):
    pairs: list[Pair]
    mean_difference: float | None
    mean_time_ratio: float | None


def verdict_of(runs: Sequence[Run]) -> Verdict | None:
    """None until both runs of one seed have completed."""
    finished = {(run.config["seed"], run.arm): run for run in runs if run.status == RunStatus.COMPLETED}
    pairs = [
        _pair(seed, baseline, finished[seed, "sd"])
        for (seed, arm), baseline in finished.items()
        if arm == "baseline" and (seed, "sd") in finished
    ]
    if not pairs:
        return None
    differences = [pair.difference for pair in pairs if pair.difference is not None]
    ratios = [pair.time_ratio for pair in pairs if pair.time_ratio is not None]
    return Verdict(
        pairs=pairs,
        mean_difference=fmean(differences) if differences else None,
        mean_time_ratio=fmean(ratios) if ratios else None,
    )


def _pair(seed: int, baseline: Run, sd: Run) -> Pair:
    without, with_sd = _outcome(baseline), _outcome(sd)
    difference = None
    if without.last_top1 is not None and with_sd.last_top1 is not None:
        difference = with_sd.last_top1 - without.last_top1
    ratio = with_sd.seconds / without.seconds if without.seconds > 0 else None
    return Pair(seed=seed, baseline=without, sd=with_sd, difference=difference, time_ratio=ratio)


def _outcome(run: Run) -> Outcome:
    return Outcome(
        run=run.id,
        last_top1=run.latest.get(names.Metric.VAL_TOP1),
        best_top1=run.best_top1,
        seconds=run.elapsed_seconds,
    )
