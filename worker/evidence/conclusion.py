"""What the numbers of a contrast allow to conclude, from a closed list, and why not more."""

from __future__ import annotations

from enum import StrEnum

from worker.contract.plan import Question, Rule, Stopping
from worker.evidence.contrast import Numbers
from worker.evidence.study import Study


class Conclusion(StrEnum):
    """Of an arm against the reference. `undecided`: the numbers do not tell; `not_enough`: too few of them do."""

    BETTER = "better"
    WORSE = "worse"
    NOT_INFERIOR = "not_inferior"
    INFERIOR = "inferior"
    UNDECIDED = "undecided"
    NOT_ENOUGH = "not_enough"

    @property
    def is_decided(self) -> bool:
        return self not in (Conclusion.UNDECIDED, Conclusion.NOT_ENOUGH)


class Obstacle(StrEnum):
    """Why a contrast is not decided, whatever its numbers are."""

    NO_SEED = "no_seed"
    ONE_SEED = "one_seed"
    NO_SPREAD = "no_spread"
    CHANGED = "changed"
    EXTENDED = "extended"
    PENDING = "pending"


def obstacle_of(numbers: Numbers, study: Study, rule: Rule) -> Obstacle | None:
    if numbers.n == 0:
        return Obstacle.NO_SEED
    if numbers.n == 1:
        return Obstacle.ONE_SEED
    if not numbers.has_spread:
        return Obstacle.NO_SPREAD
    if study.departures:
        return Obstacle.CHANGED
    if rule.stopping is Stopping.FIXED and study.extra:
        return Obstacle.EXTENDED
    if rule.stopping is Stopping.FIXED and study.pending:
        return Obstacle.PENDING
    return None


def conclude(numbers: Numbers, study: Study, rule: Rule) -> Conclusion:
    obstacle = obstacle_of(numbers, study, rule)
    if obstacle is not None:
        is_open = obstacle in (Obstacle.CHANGED, Obstacle.EXTENDED, Obstacle.PENDING)
        return Conclusion.UNDECIDED if is_open else Conclusion.NOT_ENOUGH
    if rule.question is Question.NON_INFERIORITY:
        if _is_below(numbers.p_adjusted, rule):
            return Conclusion.NOT_INFERIOR
        return Conclusion.INFERIOR if _is_below(numbers.p_opposite, rule) else Conclusion.UNDECIDED
    if not _is_below(numbers.p_adjusted, rule):
        return Conclusion.UNDECIDED
    return Conclusion.BETTER if is_gain(numbers, study) else Conclusion.WORSE


def overall(found: list[Conclusion]) -> Conclusion:
    """Of several arms: whether one of them is better, or not inferior; else whether all of them are the opposite."""
    for wanted in (Conclusion.BETTER, Conclusion.NOT_INFERIOR):
        if wanted in found:
            return wanted
    return found[0] if len(set(found)) == 1 else Conclusion.UNDECIDED


def is_gain(numbers: Numbers, study: Study) -> bool:
    return numbers.mean is not None and (numbers.mean > 0) == study.higher_is_better


def _is_below(p: float | None, rule: Rule) -> bool:
    return p is not None and p <= rule.alpha
