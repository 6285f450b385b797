"""Differences that are looked at after each seed: evidence that is valid whenever one stops.

The observations are taken for normal, with unknown mean and spread. Their effect size (mean in standard deviations) has
a normal prior of mean 0 and standard deviation PRIOR, their spread the right Haar prior. The ratio of the likelihoods
of an effect and of none is then a function of t and n alone, and a test martingale whatever the spread is: Wang and
Ramdas, Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance (2024). By Ville's
inequality it ever reaches 1 / alpha with probability alpha at most if there is no effect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from worker.evidence.estimates import ROUNDING

#: An effect of 1 standard deviation then takes 12 seeds in the median and one of 2 takes 7; at alpha = 0.05 no study is
#: decided by fewer than 5. Half of it and double of it are slower for one of the two (`resdrop bench evidence`).
PRIOR = 1.0


def log_evidence(n: int, t: float) -> float:
    """Of an effect against none, after `n` differences with Student's `t`; 0 before the second: nothing is known."""
    if n < 2:
        return 0.0
    shrink = 1 / (1 + n * PRIOR**2)
    square = t * t / (n - 1)
    return 0.5 * math.log(shrink) + n / 2 * (math.log1p(square) - math.log1p(shrink * square))


def critical_t(n: int, alpha: float) -> float:
    """The |t| at which the evidence after `n` differences is 1 / alpha; infinite where no t is enough."""
    if n < 2:
        return math.inf
    shrink = 1 / (1 + n * PRIOR**2)
    log_ratio = 2 / n * (-math.log(alpha) - 0.5 * math.log(shrink))
    rest = 1 - shrink * math.exp(log_ratio)
    return math.sqrt((n - 1) * math.expm1(log_ratio) / rest) if rest > 0 else math.inf


def one_sided(alpha: float) -> float:
    """The two-sided alpha whose interval has an end that holds alone with `alpha`.

    For t > 0 the evidence of the positive half of the prior is at least 2 M - 1, where M is that of the whole, for the
    negative half explains such a t worse than no effect does. It reaches 1 / alpha where M reaches (1 / alpha + 1) / 2.
    """
    return 2 * alpha / (1 + alpha)


def half_of(evidence: float) -> float:
    """The evidence of that half of the prior to which t points, at least: see `one_sided`."""
    return max(2 * evidence - 1, 1e-300)


class Path:
    """What is known after each of the differences, in the order in which they came.

    `log_evidence[k]` is against a mean of `at` after k + 1 of them. `intervals[k]` is what all intervals up to then
    have in common: a mean that one of them left out stays left out, so an interval and a decision never disagree.
    """

    def __init__(self, differences: Sequence[float], alpha: float, *, at: float = 0.0) -> None:
        self.log_evidence: list[float] = []
        self._sides: list[bool] = []
        self.intervals: list[tuple[float, float]] = []
        #: The intervals have no mean in common, which normal differences of one mean all but exclude.
        self.is_contradictory = False
        low, high = -math.inf, math.inf
        mean, squares = 0.0, 0.0
        for count, value in enumerate(differences, start=1):
            # Welford's way: the sum of squares of large and like values would lose its digits.
            step = value - mean
            mean += step / count
            squares += step * (value - mean)
            now_low, now_high, evidence = _after(count, mean, squares, alpha, at)
            self.log_evidence.append(evidence)
            self._sides.append(mean >= at)
            if max(low, now_low) > min(high, now_high):
                self.is_contradictory = True
            else:
                low, high = max(low, now_low), min(high, now_high)
            self.intervals.append((low, high))

    @property
    def greatest(self) -> float:
        """The greatest evidence (its logarithm) up to now: what was reached once is decided."""
        return max(self.log_evidence, default=0.0)

    @property
    def greatest_of_sides(self) -> tuple[float, float]:
        """The same of those differences alone whose mean was above `at`, and of those whose mean was below."""
        above, below = (
            max(
                (value for value, side in zip(self.log_evidence, self._sides, strict=True) if side is wanted),
                default=0.0,
            )
            for wanted in (True, False)
        )
        return above, below


def _after(n: int, mean: float, squares: float, alpha: float, at: float) -> tuple[float, float, float]:
    spread = math.sqrt(squares / (n - 1)) if n > 1 else 0.0
    if spread <= ROUNDING * max(1.0, abs(mean)):
        return -math.inf, math.inf, 0.0
    error = spread / math.sqrt(n)
    half = critical_t(n, alpha) * error
    return mean - half, mean + half, log_evidence(n, (mean - at) / error)
