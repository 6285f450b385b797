"""Training times of two runs beside each other: the median step on the same kind of device, and what skipping explains.

Sums of wall time are no evidence: they hold evaluations, checkpoints and whatever else the machine did meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from worker.evidence.blocks import median_ratio_interval
from worker.evidence.estimates import CONFIDENCE
from worker.evidence.figures import Machine, RunFigures

#: Measured on idle machines, the time of a step is 0.98 to 1.13 of the compute that was left (docs/benchmarks.md).
#: A ratio so much below the compute has another cause than skipping.
TOLERANCE = 0.05
#: What stochastic depth itself adds to a step is far less (the same page: 1.08 at most, with masks that save nothing).
SLOWEST = 1.25


class StepTimes(BaseModel):
    """`ratio` is the second run's median step over the first's, None where they cannot be compared, as `reason` says.

    `low` and `high` bound it for these two runs, None where their reports are too few. `compute_ratio` is the same of
    their compute, so 1 - `compute_ratio` is the most that skipping can save.
    """

    model_config = ConfigDict(frozen=True)

    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    compute_ratio: float | None = None
    reason: str | None = None

    @property
    def is_explained(self) -> bool:
        """Can skipping alone have made the ratio what it is?"""
        if self.ratio is None or self.compute_ratio is None:
            return True
        return (1 - TOLERANCE) * self.compute_ratio <= self.ratio <= SLOWEST


def compare_times(first: RunFigures, second: RunFigures) -> StepTimes:
    compute = None
    if first.compute and second.compute is not None:
        compute = second.compute / first.compute
    reason = _reason_against(first, second)
    if reason is not None or first.step_seconds is None or second.step_seconds is None:
        return StepTimes(compute_ratio=compute, reason=reason)
    ratio = second.step_seconds.median / first.step_seconds.median
    bounds = median_ratio_interval(first.step_blocks, second.step_blocks, CONFIDENCE) or (None, None)
    return StepTimes(ratio=ratio, low=bounds[0], high=bounds[1], compute_ratio=compute)


def _reason_against(first: RunFigures, second: RunFigures) -> str | None:
    if first.step_seconds is None or second.step_seconds is None:
        return "too few steps of a run were reported after its warm-up to time one"
    if not first.machines or not second.machines:
        return "it is not recorded on what a run was trained"
    for run in (first, second):
        if len(run.machines) > 1:
            return f"one of the runs was trained {differing(run.machines)} in turn"
    if first.machines != second.machines:
        return f"the runs were trained {differing([*first.machines, *second.machines])}"
    return None


def differing(machines: Sequence[Machine]) -> str:
    """ "on cpu (A) and on cpu (B), with torch 2.14 and with torch 2.15": all that is not the same."""
    told = [_facts(machine) for machine in machines]
    names = list(dict.fromkeys(name for facts in told for name in facts))
    parts = []
    for name in names:
        values = list(dict.fromkeys(facts.get(name, f"with an unknown {name}") for facts in told))
        if len(values) > 1:
            parts.append(" and ".join(values))
    return ", ".join(parts)


def _facts(machine: Machine) -> dict[str, str]:
    facts = {"device": f"on {machine.device}"}
    if machine.threads is not None:
        facts["number of threads"] = f"with {machine.threads} thread{'' if machine.threads == 1 else 's'}"
    return facts | {f"version of {name}": f"with {name} {version}" for name, version in machine.versions.items()}
