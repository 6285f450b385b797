"""The verdict of a study in words: a sentence for people, the reason, what would decide it, and warnings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from worker.contract.plan import Question, Rule, Stopping
from worker.evidence.conclusion import Conclusion, Obstacle, is_gain, obstacle_of
from worker.evidence.contrast import Numbers
from worker.evidence.paired import BOOTSTRAP_FROM
from worker.evidence.planning import MOST, POWER
from worker.evidence.sentences import number
from worker.evidence.study import Ending, Seed, Study

#: More names than that fill no sentence that is read.
MOST_NAMED = 8
MOST_DECIMALS = 6
NOT_KNOWN = "–"


def headline_of(numbers: Numbers, conclusion: Conclusion, study: Study, rule: Rule) -> str:
    """One sentence: what is known of the arm, with the interval, and over how many seeds."""
    arm, reference = study.title(numbers.arm), study.title(numbers.reference)
    show = _Shown(numbers, study, rule)
    if conclusion is Conclusion.NOT_ENOUGH:
        return _sentence(_not_enough(numbers, study, rule), study)
    obstacle = obstacle_of(numbers, study, rule)
    if obstacle in (Obstacle.CHANGED, Obstacle.EXTENDED):
        how = "changed" if obstacle is Obstacle.CHANGED else "extended"
        return f"No claim can be made of {arm} against {reference}, for the plan was {how}: {show.mean}."
    if conclusion is Conclusion.UNDECIDED:
        return f"{_these(numbers.n)} cannot tell {arm} from {reference}: {show.mean} ({show.interval})."
    over = f"over {numbers.n} seeds"
    if conclusion in (Conclusion.BETTER, Conclusion.WORSE):
        side = "better" if conclusion is Conclusion.BETTER else "worse"
        return _sentence(f"{arm} is {side} than {reference}: {show.mean} ({show.interval}), {over}.", study)
    if conclusion is Conclusion.NOT_INFERIOR:
        return _sentence(f"{arm} is {show.least} {reference} ({show.percent}), {over}.", study)
    lost = f"{arm} is worse than {reference} by more than the margin: {show.most} ({show.percent}), {over}."
    return _sentence(lost, study)


def reason_of(numbers: Numbers, conclusion: Conclusion, study: Study, rule: Rule) -> str:
    """Why it is concluded, or why no more is."""
    obstacle = obstacle_of(numbers, study, rule)
    if obstacle is Obstacle.CHANGED:
        return (
            f"The plan was changed after its runs had begun: {'; '.join(study.departures)}. What is decided after "
            "results were seen may have been chosen by them. Take it back, or begin a new comparison with seeds of its "
            "own."
        )
    if obstacle is Obstacle.EXTENDED:
        return (
            f"The plan was fixed at {_count(len(study.planned), 'seed')}, and {_named(study.extra)} came in addition. "
            "Student's interval keeps its promise only where the number of seeds was settled before: adding seeds "
            "until it leaves out 0 decides far more than 5 % of studies without an effect. Begin a new comparison with "
            "a sequential plan and seeds of its own."
        )
    if obstacle is Obstacle.PENDING:
        done = len(study.planned) - len(study.pending)
        have = "has" if done == 1 else "have"
        return (
            f"{done} of {_count(len(study.planned), 'planned seed')} {have} ended. A fixed plan decides when all have."
        )
    if obstacle is Obstacle.NO_SPREAD:
        return (
            "An interval needs differences that vary. Accuracies count whole images, so few seeds can be alike by "
            "chance, which says nothing of others."
        )
    if obstacle is not None:
        return (
            "What one seed shows says nothing of other seeds." if numbers.n else "A seed counts when all its arms do."
        )
    return f"{_test(numbers, conclusion, study, rule)} {_next(numbers, conclusion, study, rule)}".strip()


def overall_headline(found: Sequence[tuple[Numbers, Conclusion, str]], study: Study) -> str:
    """Of several arms: which of them are decided how."""
    if len(found) == 1:
        return found[0][2]
    if found[0][0].n == 0:
        return "No seed has ended with a value of every arm, so nothing can be compared."
    by_conclusion = {
        conclusion: [study.title(numbers.arm) for numbers, one, _ in found if one is conclusion]
        for conclusion in Conclusion
    }
    told = [f"{_listed(arms)} {_is(arms)} {_DECIDED[conclusion]}" for conclusion, arms in by_conclusion.items() if arms]
    n = found[0][0].n
    against = f"{len(found)} arms against {study.title(study.reference)} over {_count(n, 'seed')}"
    return f"{against}: {'; '.join(told)}."


def warnings_of(found: Sequence[tuple[Numbers, Conclusion]], study: Study, rule: Rule) -> list[str]:
    """What a reader has to know before the numbers are believed."""
    return [*_lost(study), *_few(found), *_checks(found, study, rule), *_pairing(found, study)]


def number_form(numbers: Numbers, decimals: int | None = None) -> str:
    """How the differences are written: with `decimals`, or two significant digits of the interval's half-width."""
    mean = numbers.mean or 0.0
    ends = [end for end in (numbers.low, numbers.high) if end is not None]
    scale = max((abs(end - mean) for end in ends), default=0.0) or abs(mean)
    if decimals is None and not 1e-5 <= scale < 1e6:
        return "+.3g"
    digits = decimals if decimals is not None else max(0, 1 - math.floor(math.log10(scale)))
    # An end that is rounded to 0 would not show on which side of it the interval ends.
    while digits < MOST_DECIMALS and any(end != 0 and round(end, digits) == 0 for end in ends):
        digits += 1
    return f"+.{digits}f"


def mean_text(numbers: Numbers, decimals: int | None = None) -> str:
    return NOT_KNOWN if numbers.mean is None else number(numbers.mean, number_form(numbers, decimals))


def interval_text(numbers: Numbers, decimals: int | None = None) -> str:
    """ "−2.13 to −0.004"; without what kind of interval it is."""
    if numbers.low is None or numbers.high is None:
        return NOT_KNOWN
    form = number_form(numbers, decimals)
    return f"{number(numbers.low, form)} to {number(numbers.high, form)}"


def interval_phrase(numbers: Numbers, study: Study, rule: Rule) -> str:
    """ "95 % interval −2.13 to −0.004", "−0.41 to +0.13, each end with 95 %", or that it is not bounded yet."""
    return _Shown(numbers, study, rule).interval


def p_text(value: float) -> str:
    """ "0.034", "0.00012", "below 1e-12"."""
    return "below 1e-12" if value < 1e-12 else f"{value:.2g}"


_DECIDED = {
    Conclusion.BETTER: "better",
    Conclusion.WORSE: "worse",
    Conclusion.NOT_INFERIOR: "not inferior by more than the margin",
    Conclusion.INFERIOR: "inferior by more than the margin",
    Conclusion.UNDECIDED: "not decided",
    Conclusion.NOT_ENOUGH: "not to be judged yet",
}
_ENDED = {
    Ending.FAILED: "failed",
    Ending.STOPPED: "was stopped",
    Ending.DIVERGED: "diverged: its value is not a finite number",
    Ending.DELETED: "was deleted",
    Ending.UNMEASURED: "has no value after its last epoch",
}


class _Shown:
    """The mean and the ends of the interval as they are written, all with the same digits."""

    def __init__(self, numbers: Numbers, study: Study, rule: Rule) -> None:
        self._study = study
        self._numbers = numbers
        mean = numbers.mean or 0.0
        self._form = number_form(numbers, study.decimals)
        self.percent = f"{100 * rule.confidence:g} %"
        self.mean = f"a difference of {self._number(mean)}"
        self.interval = self._interval(rule)

    @property
    def least(self) -> str:
        """What the arm is at the worst, of which the interval's lower end in gains speaks."""
        gain = self._gain(is_least=True)
        if gain >= 0:
            return f"not worse than, and at least {self._number(gain).lstrip('+')} better than,"
        return f"at most {self._number(-gain).lstrip('+')} worse than"

    @property
    def most(self) -> str:
        return f"at least {self._number(-self._gain(is_least=False)).lstrip('+')}"

    def _gain(self, *, is_least: bool) -> float:
        numbers = self._numbers
        bound = numbers.low if is_least == self._study.higher_is_better else numbers.high
        assert bound is not None
        return bound if self._study.higher_is_better else -bound

    def _interval(self, rule: Rule) -> str:
        low, high = self._numbers.low, self._numbers.high
        if low is None or high is None:
            return f"no {self.percent} interval is bounded yet"
        bounds = f"{number(low, self._form)} to {number(high, self._form)}"
        if rule.question is Question.NON_INFERIORITY:
            return f"{bounds}, each end with {self.percent}"
        return f"{self.percent} interval {bounds}"

    def _number(self, value: float) -> str:
        return f"{number(value, self._form)}{self._study.unit}"


def _not_enough(numbers: Numbers, study: Study, rule: Rule) -> str:
    arm, reference = study.title(numbers.arm), study.title(numbers.reference)
    if numbers.n == 0:
        return f"no seed has ended with a value of every arm, so {arm} cannot be compared with {reference}."
    show = _Shown(numbers, study, rule)
    if numbers.n == 1:
        return f"one seed cannot tell {arm} from {reference}; it takes two or more. It shows {show.mean}."
    return f"{_these(numbers.n)} cannot tell {arm} from {reference}: they all show the same, {show.mean}."


def _test(numbers: Numbers, conclusion: Conclusion, study: Study, rule: Rule) -> str:
    """What decided, or did not: the test, its p or evidence, and Holm's correction."""
    arms = len(study.arms) - 1
    corrected = f", with Holm's correction for {arms} arms" if arms > 1 else ""
    opposite = conclusion is Conclusion.INFERIOR
    p = numbers.p_opposite if opposite else numbers.p_adjusted
    assert p is not None
    told = f"p = {p_text(p)}{corrected}"
    of = ""
    if rule.margin is not None:
        of = f" against a loss of {rule.margin:g} {'or less' if opposite else 'or more'}"
    if rule.stopping is Stopping.SEQUENTIAL:
        return f"The anytime-valid t-test{of} has come to {told}, after {_count(numbers.n, 'look')}."
    return f"Student's paired t-test{of} has {told}."


def _next(numbers: Numbers, conclusion: Conclusion, study: Study, rule: Rule) -> str:
    if conclusion.is_decided:
        return ""
    if len(study.arms) > 2 and numbers.p is not None and numbers.p <= rule.alpha:
        return "Alone it would be decided; among so many arms one in the same place by chance is too likely."
    if numbers.seeds_needed is None:
        if rule.question is Question.NON_INFERIORITY and not is_gain(numbers, study):
            return "The mean itself is at the margin or beyond: more seeds would not show that it is not inferior."
        return f"An effect as small as the mean would not be found with {MOST} seeds."
    more = (
        f"An effect as large as the mean is found with {numbers.seeds_needed} seeds in {100 * POWER:.0f} % of studies"
    )
    most = rule.most_seeds
    if most is not None and numbers.n >= most:
        return f"All {most} seeds of the plan are in. {more}."
    if most is not None and numbers.seeds_needed > most:
        return f"{more}, and the plan takes {most} at most."
    return f"{more}."


def _lost(study: Study) -> Iterable[str]:
    lost = list(study.lost())
    if not lost:
        return
    told = [f"{study.title(one.arm)}, seed {one.seed}, {_ENDED[one.told_ending]}" for one in lost[:MOST_NAMED]]
    more = f"; and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
    seeds = {one.seed for one in lost}
    yield (
        f"{_count(len(lost), 'run')} ended without a value, which leaves out {_count(len(seeds), 'seed')}: "
        f"{'; '.join(told)}{more}. If an arm makes runs fail, the others flatter it."
    )


def _few(found: Sequence[tuple[Numbers, Conclusion]]) -> Iterable[str]:
    n = found[0][0].n
    if 2 <= n < BOOTSTRAP_FROM and found[0][0].p is not None:
        yield (
            f"{n} seeds are too few to see whether the differences are normally distributed, as the interval takes "
            f"them to be; a check by bootstrap needs {BOOTSTRAP_FROM}."
        )


def _checks(found: Sequence[tuple[Numbers, Conclusion]], study: Study, rule: Rule) -> Iterable[str]:
    for numbers, conclusion in found:
        title = study.title(numbers.arm)
        if conclusion.is_decided and numbers.p_permutation is not None and numbers.p_permutation > rule.alpha:
            yield (
                f"{_sentence(title, study)}: the sign-flip test, which assumes no distribution, does not confirm it "
                f"(p = {p_text(numbers.p_permutation)}; with {numbers.n} seeds it cannot be less than "
                f"{p_text(_least_p(numbers.n, rule))})."
            )
        if numbers.is_contradictory:
            yield (
                f"{_sentence(title, study)}: the intervals after different numbers of seeds contradict each other, so "
                "the differences are not all of one kind. Look for what changed between the seeds."
            )


def _pairing(found: Sequence[tuple[Numbers, Conclusion]], study: Study) -> Iterable[str]:
    for numbers, _ in found:
        if numbers.correlation is not None and numbers.correlation < 0:
            title = _sentence(study.title(numbers.arm), study)
            yield (
                f"{title}: its values fall where the reference's rise (correlation "
                f"{number(numbers.correlation, '.2f')} over the seeds), so pairing by seed bought nothing."
            )


def _least_p(n: int, rule: Rule) -> float:
    return float((1 if rule.question is Question.NON_INFERIORITY else 2) / 2.0**n)


def _these(n: int) -> str:
    return "One seed" if n == 1 else f"These {n} seeds"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _named(seeds: Sequence[Seed]) -> str:
    shown = ", ".join(str(seed) for seed in seeds[:MOST_NAMED])
    more = f" and {len(seeds) - MOST_NAMED} more" if len(seeds) > MOST_NAMED else ""
    return f"seed{'' if len(seeds) == 1 else 's'} {shown}{more}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _sentence(text: str, study: Study) -> str:
    """With a capital at its beginning, unless it begins with the name of an arm as somebody wrote it."""
    if any(text.startswith(arm) for arm in study.arms if arm not in study.titles):
        return text
    return f"{text[:1].upper()}{text[1:]}"
