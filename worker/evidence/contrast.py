"""One arm against the reference: the differences over the seeds, and every number that judges them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from pydantic import BaseModel, ConfigDict

from worker.contract.plan import Question, Rule, Stopping
from worker.evidence import anytime, paired, planning
from worker.evidence.study import Seed, Study

#: The logarithm of the greatest evidence that is told, for JSON has no number without end.
MOST_LOG_EVIDENCE = 690.0


class SeedDifference(BaseModel):
    """The arm's value less the reference's, of one seed."""

    model_config = ConfigDict(frozen=True)

    seed: Seed
    value: float


class Interval(BaseModel):
    """None is no bound on that side."""

    model_config = ConfigDict(frozen=True)

    low: float | None
    high: float | None


class Look(Interval):
    """What a sequential plan knew after `seed`: the evidence against what it doubts, and the interval."""

    seed: Seed
    evidence: float


class Numbers(BaseModel):
    """Differences are the arm less the reference, in the metric's own unit and direction.

    `low` and `high` belong to the plan: Student's interval for a fixed number of seeds, the confidence sequence's for
    a sequential one; for non-inferiority each end holds alone with `confidence`. `p` is of the test that decides: that
    the arms are alike, or that the arm is inferior; `p_opposite`, of non-inferiority alone, that it is not inferior.
    Of a sequential plan both are 1 over the greatest evidence, valid whenever one looks. `p_adjusted` and `p_opposite`
    have Holm's correction for several arms. `p_permutation` and `bootstrap` are checks that decide nothing. None is
    what cannot be said, as all of it where the differences are too few or all alike.
    """

    model_config = ConfigDict(frozen=True)

    arm: str
    reference: str
    n: int
    differences: list[SeedDifference]
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float
    p: float | None = None
    p_adjusted: float | None = None
    p_opposite: float | None = None
    p_permutation: float | None = None
    bootstrap: Interval | None = None
    effect_size: float | None = None
    correlation: float | None = None
    unpaired_seeds: int | None = None
    seeds_needed: int | None = None
    evidence: float | None = None
    #: At so much evidence on one side a sequential plan is decided, were there no other arm.
    evidence_needed: float | None = None
    looks: list[Look] = []
    #: The intervals after different numbers of seeds have no value in common.
    is_contradictory: bool = False

    @property
    def has_spread(self) -> bool:
        return paired.has_spread([one.value for one in self.differences])


def numbers_of(study: Study, rule: Rule, seeds: Sequence[Seed]) -> list[Numbers]:
    """Of every arm but the reference over `seeds`, each of which has a value of every arm. Raises ScipyMissing."""
    found = [_numbers(study, rule, arm, seeds) for arm in study.arms[1:]]
    # An arm without a p counts among those that are compared.
    p, opposite = (
        paired.holm([1.0 if value is None else value for value in values])
        for values in ([one.p for one in found], [one.p_opposite for one in found])
    )
    return [
        one.model_copy(
            update={
                "p_adjusted": None if one.p is None else p[index],
                "p_opposite": None if one.p_opposite is None else opposite[index],
            }
        )
        for index, one in enumerate(found)
    ]


def _numbers(study: Study, rule: Rule, arm: str, seeds: Sequence[Seed]) -> Numbers:
    first, second = study.values(study.reference, seeds), study.values(arm, seeds)
    differences = [b - a for a, b in zip(first, second, strict=True)]
    told: dict[str, Any] = {
        "arm": arm,
        "reference": study.reference,
        "n": len(differences),
        "differences": [SeedDifference(seed=seed, value=value) for seed, value in zip(seeds, differences, strict=True)],
        "mean": fmean(differences) if differences else None,
        "confidence": rule.confidence,
    }
    if paired.has_spread(differences):
        bootstrap = paired.bootstrap_interval(differences, rule.confidence)
        gains = [value if study.higher_is_better else -value for value in differences]
        judged = _sequential(gains, rule, seeds) if rule.stopping is Stopping.SEQUENTIAL else _fixed(gains, rule)
        told |= judged if study.higher_is_better else _turned(judged)
        told |= {
            "bootstrap": Interval(low=bootstrap[0], high=bootstrap[1]) if bootstrap else None,
            "effect_size": paired.effect_size(differences),
            "correlation": paired.correlation(first, second),
            "unpaired_seeds": paired.unpaired_seeds(first, second),
        }
    return Numbers(**told)


def _fixed(gains: Sequence[float], rule: Rule) -> dict[str, Any]:
    """Of differences of which the greater is the better one."""
    if rule.margin is None:
        low, high = paired.student_interval(gains, rule.confidence)
        told = {"p": paired.student(gains), "p_permutation": paired.sign_flips(gains)}
    else:
        low, _ = paired.student_interval(gains, rule.confidence, alternative="greater")
        _, high = paired.student_interval(gains, rule.confidence, alternative="less")
        told = {
            "p": paired.student(gains, at=-rule.margin, alternative="greater"),
            "p_opposite": paired.student(gains, at=-rule.margin, alternative="less"),
            "p_permutation": _sign_flips_about(gains, -rule.margin),
        }
    critical = planning.student_critical(rule.alpha, is_two_sided=rule.margin is None)
    return told | {"low": low, "high": high, "seeds_needed": _needed(gains, rule, critical)}


def _sequential(gains: Sequence[float], rule: Rule, seeds: Sequence[Seed]) -> dict[str, Any]:
    alpha = rule.alpha if rule.margin is None else anytime.one_sided(rule.alpha)
    path = anytime.Path(gains, alpha, at=-(rule.margin or 0.0))
    low, high = path.intervals[-1]
    looks = [
        Look(seed=seed, evidence=_evidence(logarithm), low=_bound(bounds[0]), high=_bound(bounds[1]))
        for seed, logarithm, bounds in zip(seeds, path.log_evidence, path.intervals, strict=True)
    ]
    if rule.margin is None:
        told = {"p": 1 / _evidence(path.greatest), "p_permutation": paired.sign_flips(gains)}
    else:
        above, below = path.greatest_of_sides
        told = {
            "p": min(1.0, 1 / anytime.half_of(_evidence(above))),
            "p_opposite": min(1.0, 1 / anytime.half_of(_evidence(below))),
            "p_permutation": _sign_flips_about(gains, -rule.margin),
        }
    needed = _needed(gains, rule, lambda n: anytime.critical_t(n, alpha))
    return told | {
        "low": _bound(low),
        "high": _bound(high),
        "evidence": looks[-1].evidence,
        "evidence_needed": 1 / rule.alpha if rule.margin is None else (1 / rule.alpha + 1) / 2,
        "looks": looks,
        "is_contradictory": path.is_contradictory,
        "seeds_needed": needed,
    }


def _sign_flips_about(gains: Sequence[float], at: float) -> float:
    """One-sided, to the side on which the mean lies."""
    return paired.sign_flips(gains, at=at, alternative="greater" if fmean(gains) >= at else "less")


def _needed(gains: Sequence[float], rule: Rule, critical: planning.Critical) -> int | None:
    """So many seeds in all find an effect as large as the one that was measured; None if it points the wrong way."""
    effect = (fmean(gains) + (rule.margin or 0.0)) / stdev(gains)
    if rule.question is Question.NON_INFERIORITY and effect <= 0:
        return None
    return planning.seeds_needed(effect, critical, is_two_sided=rule.margin is None)


def _turned(judged: dict[str, Any]) -> dict[str, Any]:
    """Back into the direction of a metric of which less is better."""
    looks = [look.model_copy(update=_turned_bounds(look.low, look.high)) for look in judged.get("looks", [])]
    return judged | _turned_bounds(judged["low"], judged["high"]) | {"looks": looks}


def _turned_bounds(low: float | None, high: float | None) -> dict[str, float | None]:
    return {"low": None if high is None else -high, "high": None if low is None else -low}


def _bound(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _evidence(logarithm: float) -> float:
    return math.exp(min(logarithm, MOST_LOG_EVIDENCE))
