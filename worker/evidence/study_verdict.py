"""The verdict of a study: what its plan allows to conclude of each arm, with every number and sentence."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from worker.contract.plan import Rule
from worker.evidence import conclusion as rules
from worker.evidence import study_words as words
from worker.evidence.conclusion import Conclusion
from worker.evidence.contrast import Numbers, numbers_of
from worker.evidence.study import Seed, Study


class Contrast(Numbers):
    """An arm against the reference, with what is concluded of it, in a sentence and with its reason.

    `mean_text` and `interval_text` are the difference as people read it.
    """

    mean_text: str
    interval_text: str
    conclusion: Conclusion
    headline: str
    reason: str


class StudyVerdict(BaseModel):
    """`conclusion` and `headline` are of the arms together: `better` is said where at least one of them is.

    `seeds` are those that count, `is_decided` says that a sequential plan needs no more of them.
    """

    model_config = ConfigDict(frozen=True)

    conclusion: Conclusion
    headline: str
    reason: str
    seeds: tuple[Seed, ...]
    contrasts: list[Contrast]
    warnings: list[str]
    is_decided: bool


def decide(study: Study, rule: Rule) -> StudyVerdict:
    """By the rule alone. Raises ScipyMissing from two seeds on."""
    contrasts = [_contrast(numbers, study, rule) for numbers in numbers_of(study, rule, study.complete)]
    found = [(one, one.conclusion, one.headline) for one in contrasts]
    reasons = dict.fromkeys(one.reason for one in contrasts)
    return StudyVerdict(
        conclusion=rules.overall([one.conclusion for one in contrasts]),
        headline=words.overall_headline(found, study),
        reason=next(iter(reasons)) if len(reasons) == 1 else "",
        seeds=study.complete,
        contrasts=contrasts,
        warnings=words.warnings_of([(one, one.conclusion) for one in contrasts], study, rule),
        is_decided=all(one.conclusion.is_decided for one in contrasts),
    )


def _contrast(numbers: Numbers, study: Study, rule: Rule) -> Contrast:
    conclusion = rules.conclude(numbers, study, rule)
    return Contrast(
        **dict(numbers),
        mean_text=words.mean_text(numbers, study.decimals),
        interval_text=words.interval_text(numbers, study.decimals),
        conclusion=conclusion,
        headline=words.headline_of(numbers, conclusion, study, rule),
        reason=words.reason_of(numbers, conclusion, study, rule),
    )
