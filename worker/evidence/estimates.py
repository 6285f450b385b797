"""The mean of a few values, and how far off it may be."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from functools import cache
from statistics import fmean, stdev

from pydantic import BaseModel, ConfigDict

CONFIDENCE = 0.95
#: Values that differ by less than this differ by rounding alone.
ROUNDING = 1e-9


class ScipyMissing(RuntimeError):
    """An interval needs scipy, which is not installed."""


class MeanEstimate(BaseModel):
    """The mean of `n` values; `low` and `high` bound it with 95 % confidence.

    They are None where nothing bounds it: for a single value, and for values that are all alike. Accuracies count
    whole images, so differences of few seeds can be equal by chance; that says nothing of how much others would vary.
    Where a plan says otherwise they are what it says, and `told` are its words for them.
    """

    model_config = ConfigDict(frozen=True)

    n: int
    mean: float
    low: float | None = None
    high: float | None = None
    told: str | None = None

    @property
    def excludes_zero(self) -> bool:
        """Never without an interval, so never for a single seed."""
        return self.low is not None and self.high is not None and not self.low <= 0.0 <= self.high


def estimate_mean(values: Sequence[float]) -> MeanEstimate | None:
    """The mean with Student's interval, which takes the values for normally distributed; None without any.

    Student: The probable error of a mean. Biometrika 6 (1908), 1-25. For differences of pairs this is the interval of
    the paired t-test. Raises ScipyMissing from two values on.
    """
    if not values:
        return None
    n, mean = len(values), fmean(values)
    spread = stdev(values) if n > 1 else 0.0
    if spread <= ROUNDING * max(1.0, abs(mean)):
        return MeanEstimate(n=n, mean=mean)
    half = t_quantile(n - 1) * spread / math.sqrt(n)
    return MeanEstimate(n=n, mean=mean, low=mean - half, high=mean + half)


def estimate_ratio(values: Sequence[float]) -> MeanEstimate | None:
    """The geometric mean of ratios, which are above 0, with the interval of their logarithms; None without any.

    So a ratio and its inverse say the same, and no bound is below 0. Raises ScipyMissing from two values on.
    """
    found = estimate_mean([math.log(value) for value in values])
    if found is None:
        return None
    low, high = (None if bound is None else math.exp(bound) for bound in (found.low, found.high))
    return MeanEstimate(n=found.n, mean=math.exp(found.mean), low=low, high=high)


@cache
def t_quantile(degrees_of_freedom: int) -> float:
    """Within it, on both sides of 0, lie 95 % of Student's distribution. Raises ScipyMissing."""
    require_scipy()
    # Only here: importing it takes some tenths of a second, which a start of the service has no use for.
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, (1 + CONFIDENCE) / 2))


def require_scipy() -> None:
    """Raises ScipyMissing with what to do; imports nothing."""
    if importlib.util.find_spec("scipy") is None:
        raise ScipyMissing("comparing runs needs scipy, which is not installed here: pip install scipy")
