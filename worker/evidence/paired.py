"""Differences of pairs whose number was settled before: Student's interval, and checks that assume less than he did.

All of it is scipy's. `differences` are one for each seed, finite, at least two, and not all alike: see `has_spread`.
"""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Literal

from worker.evidence.estimates import ROUNDING

if TYPE_CHECKING:
    import numpy as np

Alternative = Literal["two-sided", "greater", "less"]

#: From so many seeds on a bootstrap of them means something.
BOOTSTRAP_FROM = 5
RESAMPLES = 9_999
#: All sign patterns are counted up to this many seeds; beyond it RESAMPLES random ones stand for them.
EXACT_SIGNS = 16
_STATE = 20_16


def has_spread(differences: Sequence[float]) -> bool:
    """False for fewer than two, and where they differ by rounding alone: then nothing says how much others would."""
    if len(differences) < 2:
        return False
    return stdev(differences) > ROUNDING * max(1.0, abs(fmean(differences)))


def student(differences: Sequence[float], *, at: float = 0.0, alternative: Alternative = "two-sided") -> float:
    """The p-value of the paired t-test that the mean difference is `at`. Student: Biometrika 6 (1908), 1-25."""
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(differences, at, alternative=alternative).pvalue)


def student_interval(
    differences: Sequence[float], confidence: float, *, alternative: Alternative = "two-sided"
) -> tuple[float, float]:
    """Of the mean difference; one-sided, with `greater` or `less`, the other end is infinite."""
    from scipy.stats import ttest_1samp

    found = ttest_1samp(differences, 0.0, alternative=alternative).confidence_interval(confidence)
    return float(found.low), float(found.high)


def sign_flips(differences: Sequence[float], *, at: float = 0.0, alternative: Alternative = "two-sided") -> float:
    """The p-value of Fisher's test: how often random signs give a mean as far from `at` as the one found.

    It assumes only that a difference is as likely to lie above `at` as equally far below it. No p is below 2 / 2^n
    (1 / 2^n one-sided), so five seeds never reach 0.05 two-sided. Fisher: The Design of Experiments (1935), section 21.
    """
    import numpy as np
    from scipy.stats import permutation_test

    shifted = np.asarray(differences, dtype=float) - at
    # Patterns of signs with the same mean must not be told apart by the order in which they are summed up.
    scale = float(np.max(np.abs(shifted)))
    rounded = np.round(shifted / scale, 12) if scale > 0 else shifted
    resamples = 2.0 ** len(rounded) if len(rounded) <= EXACT_SIGNS else RESAMPLES
    found = permutation_test(
        (rounded,), _mean, permutation_type="samples", vectorized=True, n_resamples=resamples,
        alternative=alternative, rng=np.random.default_rng(_STATE), batch=4096,
    )  # fmt: skip
    return float(found.pvalue)


def bootstrap_interval(differences: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """The bias-corrected and accelerated bootstrap of the mean; None for fewer seeds than BOOTSTRAP_FROM.

    The resamples are the same for the same differences. Efron: Better bootstrap confidence intervals. JASA 82 (1987).
    """
    if len(differences) < BOOTSTRAP_FROM:
        return None
    import numpy as np
    from scipy.stats import bootstrap

    with warnings.catch_warnings():
        # Of a degenerate distribution, whose ends are then not numbers.
        warnings.simplefilter("ignore")
        found = bootstrap(
            (np.asarray(differences, dtype=float),), np.mean, confidence_level=confidence, method="BCa",
            n_resamples=RESAMPLES, rng=np.random.default_rng(_STATE),
        ).confidence_interval  # fmt: skip
    low, high = float(found.low), float(found.high)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def effect_size(differences: Sequence[float]) -> float:
    """The mean in standard deviations of the differences. Cohen: Statistical Power Analysis (1988), 2.3.5 (d_z)."""
    return fmean(differences) / stdev(differences)


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's, of two arms over the seeds; None for fewer than three of them or an arm without spread."""
    if len(first) < 3 or not has_spread(first) or not has_spread(second):
        return None
    return statistics.correlation(first, second)


def unpaired_seeds(first: Sequence[float], second: Sequence[float]) -> int:
    """So many seeds an arm would have needed for the same standard error, had the arms not shared their seeds."""
    differences = [b - a for a, b in zip(first, second, strict=True)]
    ratio = (stdev(first) ** 2 + stdev(second) ** 2) / stdev(differences) ** 2
    return max(2, math.ceil(len(differences) * ratio - ROUNDING))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values for several contrasts at once: refusing below alpha errs in any of them with probability alpha at most.

    Holm: A simple sequentially rejective multiple test procedure. Scand. J. Statist. 6 (1979), 65-70.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = floor
    return adjusted


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    means: np.ndarray = values.mean(axis=axis)
    return means
