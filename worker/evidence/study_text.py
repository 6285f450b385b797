"""A verdict for a terminal: the sentence first, then every number that it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from worker.contract.plan import Question, Rule, Stopping
from worker.contract.text import shown
from worker.evidence.columns import aligned
from worker.evidence.contrast import Interval
from worker.evidence.sentences import number
from worker.evidence.study_verdict import Contrast, StudyVerdict
from worker.evidence.study_words import NOT_KNOWN, number_form, p_text


def as_text(verdict: StudyVerdict, rule: Rule) -> str:
    lines = [f"{verdict.conclusion.value}: {verdict.headline}"]
    if verdict.reason:
        lines.append(verdict.reason)
    if len(verdict.contrasts) > 1:
        lines += ["", *(_told(one, verdict) for one in verdict.contrasts)]
    lines += ["", *aligned(list(_rows(verdict, rule)), left=1)]
    if verdict.warnings:
        lines += ["", *(f"warning: {warning}" for warning in verdict.warnings)]
    # Names of arms come from a file.
    return "\n".join(shown(line) for line in lines)


def _told(contrast: Contrast, verdict: StudyVerdict) -> str:
    return contrast.headline if verdict.reason else f"{contrast.headline} {contrast.reason}"


def _rows(verdict: StudyVerdict, rule: Rule) -> Iterator[Sequence[str]]:
    percent = f"{100 * rule.confidence:g} %"
    each = ", each end" if rule.question is Question.NON_INFERIORITY else ""
    test = "p (anytime)" if rule.stopping is Stopping.SEQUENTIAL else "p (Student)"
    yield (
        *("arm - reference", "seeds", "mean", f"{percent} interval{each}", test, "p (sign flips)", "BCa bootstrap"),
        *("effect size", "correlation", "unpaired seeds"),
    )
    for one in verdict.contrasts:
        yield (
            f"{one.arm} - {one.reference}",
            str(one.n),
            one.mean_text,
            one.interval_text,
            NOT_KNOWN if one.p_adjusted is None else p_text(one.p_adjusted),
            NOT_KNOWN if one.p_permutation is None else p_text(one.p_permutation),
            NOT_KNOWN if one.bootstrap is None else _interval(one.bootstrap, number_form(one)),
            _number(one.effect_size, "+.2f"),
            _number(one.correlation, "+.2f"),
            NOT_KNOWN if one.unpaired_seeds is None else str(one.unpaired_seeds),
        )


def _interval(of: Interval, form: str) -> str:
    if of.low is None or of.high is None:
        return NOT_KNOWN
    return f"{_number(of.low, form)} to {_number(of.high, form)}"


def _number(value: float | None, form: str) -> str:
    return NOT_KNOWN if value is None else number(value, form)
