"""What each arm came to over the seeds: means with their intervals, of which nothing is concluded.

Arms share their seeds, so intervals of two arms may overlap where their difference is certain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict

from worker.evidence.estimates import MeanEstimate, estimate_mean
from worker.evidence.pairs import CompletedRun

Read = Callable[[CompletedRun], float | None]


class ArmResults(BaseModel):
    """Accuracies in percent, compute as a share of the full network's, `step_seconds` the mean of the runs' medians."""

    model_config = ConfigDict(frozen=True)

    arm: str
    seeds: int
    last_top1: MeanEstimate | None
    last_top5: MeanEstimate | None
    best_top1: MeanEstimate | None
    last_loss: MeanEstimate | None
    compute: MeanEstimate | None
    step_seconds: MeanEstimate | None


def arm_results(runs: Sequence[CompletedRun], arms: Sequence[str]) -> list[ArmResults]:
    """In the order of `arms`, over the seeds of which each has completed. Raises ScipyMissing from two seeds on."""
    return [_of([run for run in runs if run.arm == arm], arm) for arm in arms]


def _of(runs: Sequence[CompletedRun], arm: str) -> ArmResults:
    def mean(read: Read) -> MeanEstimate | None:
        return estimate_mean([value for value in map(read, runs) if value is not None])

    return ArmResults(
        arm=arm,
        seeds=len(runs),
        last_top1=mean(lambda run: run.last_top1),
        last_top5=mean(lambda run: run.last_top5),
        best_top1=mean(lambda run: run.best_top1),
        last_loss=mean(lambda run: run.last_loss),
        compute=mean(lambda run: run.compute),
        step_seconds=mean(lambda run: run.step_seconds.median if run.step_seconds else None),
    )
