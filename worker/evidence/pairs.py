"""Pairs of runs that differ in stochastic depth alone, and by how much their results differ in the mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict

from worker.contract.arms import BASELINE, SD
from worker.evidence.estimates import MeanEstimate, estimate_mean, estimate_ratio
from worker.evidence.figures import RunFigures
from worker.evidence.timing import StepTimes, compare_times


class CompletedRun(RunFigures):
    """A run that came to its end. Accuracies in percent, of the evaluation after the last epoch but for the best."""

    run: str
    seed: int
    arm: str
    last_top1: float | None = None
    last_top5: float | None = None
    best_top1: float | None = None
    last_loss: float | None = None
    #: Of wall time, evaluations and checkpoints included; nothing is concluded from it.
    seconds: float | None = None


class Pair(BaseModel):
    """Two runs of one seed. `difference` is SD less baseline in points of the last val/top1; `time_ratio` is SD's
    median step over the baseline's, None where `time_note` says that their times are not to be compared; `time_low` and
    `time_high` bound it for these two runs."""

    model_config = ConfigDict(frozen=True)

    seed: int
    baseline: CompletedRun
    sd: CompletedRun
    difference: float | None
    time_ratio: float | None
    compute_ratio: float | None
    time_note: str | None = None
    time_low: float | None = None
    time_high: float | None = None

    @property
    def times(self) -> StepTimes:
        return StepTimes(ratio=self.time_ratio, compute_ratio=self.compute_ratio, reason=self.time_note)


class Effects(BaseModel):
    """Means over the pairs of SD less baseline, and of SD over baseline; None where nothing is known.

    `time_saved` and `compute_saved` are in percent of the baseline's. `time_saved` is None where a ratio of times has
    another cause than skipping.
    """

    model_config = ConfigDict(frozen=True)

    last_top1: MeanEstimate | None = None
    best_top1: MeanEstimate | None = None
    last_loss: MeanEstimate | None = None
    time_ratio: MeanEstimate | None = None
    compute_ratio: MeanEstimate | None = None
    time_saved: MeanEstimate | None = None
    compute_saved: MeanEstimate | None = None


def pairs_of(runs: Sequence[CompletedRun], *, reference: str = BASELINE, arm: str = SD) -> list[Pair]:
    """In the order of the runs of the reference; seeds of which one run is missing are left out."""
    twins = {run.seed: run for run in runs if run.arm == arm}
    return [_pair(run, twins[run.seed]) for run in runs if run.arm == reference and run.seed in twins]


def effects_of(pairs: Sequence[Pair]) -> Effects:
    """Raises ScipyMissing from two pairs on."""
    ratios = [pair.time_ratio for pair in pairs if pair.time_ratio is not None]
    compute = [pair.compute_ratio for pair in pairs if pair.compute_ratio is not None]
    ratio = estimate_ratio(ratios)
    is_explained = all(pair.times.is_explained for pair in pairs)
    return Effects(
        last_top1=_difference(pairs, lambda run: run.last_top1),
        best_top1=_difference(pairs, lambda run: run.best_top1),
        last_loss=_difference(pairs, lambda run: run.last_loss),
        time_ratio=ratio,
        compute_ratio=estimate_mean(compute),
        time_saved=_saved(ratio) if ratio is not None and is_explained else None,
        compute_saved=estimate_mean([100 * (1 - ratio) for ratio in compute]),
    )


def _saved(ratio: MeanEstimate) -> MeanEstimate:
    """In percent; the greater the ratio, the less is saved."""
    low, high = (None if bound is None else 100 * (1 - bound) for bound in (ratio.high, ratio.low))
    return MeanEstimate(n=ratio.n, mean=100 * (1 - ratio.mean), low=low, high=high)


def _pair(baseline: CompletedRun, sd: CompletedRun) -> Pair:
    times = compare_times(baseline, sd)
    difference = None
    if baseline.last_top1 is not None and sd.last_top1 is not None:
        difference = sd.last_top1 - baseline.last_top1
    return Pair(
        seed=baseline.seed,
        baseline=baseline,
        sd=sd,
        difference=difference,
        time_ratio=times.ratio,
        compute_ratio=times.compute_ratio,
        time_note=times.reason,
        time_low=times.low,
        time_high=times.high,
    )


def _difference(pairs: Sequence[Pair], read: Callable[[CompletedRun], float | None]) -> MeanEstimate | None:
    values = [(read(pair.baseline), read(pair.sd)) for pair in pairs]
    return estimate_mean([sd - baseline for baseline, sd in values if baseline is not None and sd is not None])
