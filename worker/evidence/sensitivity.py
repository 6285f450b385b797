"""Before a study: how narrow its interval will be, and which differences it can be expected to find."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import variance

from pydantic import BaseModel, ConfigDict

from worker.contract.plan import Rule, Stopping
from worker.evidence import anytime, planning
from worker.evidence.planning import POWER, Critical

#: The share of images that two trainings judge differently, where nothing is known: a ResNet-50 on ImageNet. Of the
#: first five guesses it is less in the proportion of the errors, about 7 % to 24 %.
JUDGED_DIFFERENTLY = {"val/top1": 0.12, "val/top5": 0.035}
#: Pooled from fewer degrees of freedom a standard deviation says little.
_FEWEST_DEGREES = 2


class Spread(BaseModel):
    """The standard deviation of differences between arms over seeds; `degrees` of freedom are 0 where it is assumed."""

    model_config = ConfigDict(frozen=True)

    value: float
    degrees: int


class Reach(BaseModel):
    """What so many seeds can show: `half_width` of the interval, and the smallest true difference that is found in four
    of five studies; for non-inferiority the smallest margin within which arms that are alike are found. None for one
    seed, which says nothing of others.
    """

    model_config = ConfigDict(frozen=True)

    seeds: int
    half_width: float | None
    detectable: float | None


def pooled_spread(studies: Sequence[Sequence[float]]) -> Spread | None:
    """Of the differences of several contrasts, each about its own mean; None where they are too few."""
    usable = [differences for differences in studies if len(differences) >= 2]
    degrees = sum(len(differences) - 1 for differences in usable)
    if degrees < _FEWEST_DEGREES:
        return None
    squares = sum((len(differences) - 1) * variance(differences) for differences in usable)
    return Spread(value=math.sqrt(squares / degrees), degrees=degrees) if squares > 0 else None


def assumed_spread(images: int, judged_differently: float) -> Spread:
    """In points, by the images alone: the binomial part, which Jordan (arXiv 2304.01910) finds to be most of it."""
    return Spread(value=100 * math.sqrt(judged_differently / images), degrees=0)


def reach(seeds: int, spread: float, rule: Rule, *, contrasts: int) -> Reach:
    """`contrasts` arms are held against one reference; the first of them to be found meets Holm's strictest bound."""
    if seeds < 2:
        return Reach(seeds=seeds, half_width=None, detectable=None)
    critical = _critical(rule, rule.alpha / contrasts)
    effect = _detectable_effect(seeds, critical(seeds), is_two_sided=rule.margin is None)
    width = _critical(rule, rule.alpha)(seeds) * spread / math.sqrt(seeds)
    return Reach(
        seeds=seeds,
        half_width=width if math.isfinite(width) else None,
        detectable=None if effect is None else effect * spread,
    )


def images_reach(images: int, judged_differently: float, confidence: float) -> float:
    """Half the width of one pair's interval, in points: its accuracies are measured on so many images only.

    `judged_differently` is the share of images that one network gets right and the other wrong: a difference near 0
    has that share as its variance. 0.30 points for 50,000 images and 0.12.
    """
    from scipy.stats import norm

    return float(100 * norm.ppf((1 + confidence) / 2) * math.sqrt(judged_differently / images))


def _critical(rule: Rule, alpha: float) -> Critical:
    is_two_sided = rule.margin is None
    if rule.stopping is Stopping.FIXED:
        return planning.student_critical(alpha, is_two_sided=is_two_sided)
    watched = alpha if is_two_sided else anytime.one_sided(alpha)
    return lambda n: anytime.critical_t(n, watched)


def _detectable_effect(n: int, critical: float, *, is_two_sided: bool) -> float | None:
    """In standard deviations; None where no effect is found so often."""
    if not math.isfinite(critical):
        return None
    from scipy.optimize import brentq

    def lacking(effect: float) -> float:
        return planning.power(n, effect, critical, is_two_sided=is_two_sided) - POWER

    # An effect of so many standard errors beyond the critical one is found in all but a few of a million studies.
    most = (2 * critical + 10) / math.sqrt(n) * 2
    return float(brentq(lacking, 0.0, most)) if lacking(most) > 0 else None
