"""What can be said of paired differences of a few seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, stdev

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Paired:
    """The mean over `n` seeds; `low` and `high` bound it with 95 % confidence, and are None for a single seed."""

    n: int
    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def contains_zero(self) -> bool | None:
        return None if self.low is None or self.high is None else self.low <= 0.0 <= self.high


def paired(values: Sequence[float]) -> Paired | None:
    """Student's interval of the mean (1908), which takes the seeds' differences for normally distributed."""
    if not values:
        return None
    n, mean = len(values), fmean(values)
    if n == 1:
        return Paired(n, mean)
    half = t_quantile(n - 1) * stdev(values) / math.sqrt(n)
    return Paired(n, mean, mean - half, mean + half)


@cache
def t_quantile(freedom: int) -> float:
    """Within it, on both sides of 0, lie 95 % of Student's distribution."""
    low, high = 0.0, 1.0
    while _inside(high, freedom) < CONFIDENCE:
        high *= 2
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if _inside(middle, freedom) < CONFIDENCE else (low, middle)
    return high


def _inside(t: float, freedom: int) -> float:
    """The probability of |T| <= t, by the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, odd = math.cos(angle), freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for power in range(odd, freedom - 1, 2):
        total += term
        term *= cosine * cosine * (power + 1) / (power + 2)
    return (angle + math.sin(angle) * total) * 2 / math.pi if odd else math.sin(angle) * total
