"""Before any training, or when it has not sufficed: what so many seeds can show, and how many it would take."""

from __future__ import annotations

import math
from collections.abc import Callable

#: The t that a test needs after so many differences.
Critical = Callable[[int], float]

#: A study that finds an effect in four of five tries.
POWER = 0.8
#: More seeds than that nobody trains.
MOST = 1000


def power(n: int, effect: float, critical: float, *, is_two_sided: bool) -> float:
    """How often |t|, or t alone, of `n` differences with an `effect` of so many standard deviations exceeds `critical`.

    By the noncentral t distribution. Cohen: Statistical Power Analysis for the Behavioral Sciences (1988), chapter 2.
    """
    if n < 2 or not math.isfinite(critical):
        return 0.0
    center = effect * math.sqrt(n)
    found = _beyond(critical, n - 1, center)
    return found + _beyond(critical, n - 1, -center) if is_two_sided else found


def _beyond(critical: float, degrees: int, center: float) -> float:
    """How often a noncentral t exceeds `critical`."""
    from scipy.stats import nct

    found = float(nct.sf(critical, degrees, center))
    # scipy has no number for tails that nothing reaches; so far out the outcome is certain.
    return found if math.isfinite(found) else float(center > critical)


def seeds_needed(effect: float, critical: Critical, *, is_two_sided: bool) -> int | None:
    """The fewest seeds with which the `effect` is found with POWER; None where MOST of them are too few."""

    def suffices(n: int) -> bool:
        return power(n, effect, critical(n), is_two_sided=is_two_sided) >= POWER

    if not suffices(MOST):
        return None
    low, high = 1, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


def student_critical(alpha: float, *, is_two_sided: bool) -> Critical:
    """The t that Student's test needs after n differences."""

    def critical(n: int) -> float:
        if n < 2:
            return math.inf
        from scipy.stats import t

        return float(t.isf(alpha / 2 if is_two_sided else alpha, n - 1))

    return critical
