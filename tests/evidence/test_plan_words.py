"""A plan as a sentence."""

from __future__ import annotations

import pytest

from worker.contract.plan import Plan, Question, Stopping
from worker.evidence.plan_words import plan_sentence


@pytest.mark.parametrize(
    ("plan", "seeds", "said"),
    [
        (Plan(), 5, "Plan: is there a difference in val/top1 after the last epoch? 95 % confidence, fixed: 5 seeds."),
        (
            Plan(question=Question.NON_INFERIORITY, margin=0.5, confidence=0.999),
            1,
            "Plan: is an arm worse by at most 0.5 points in val/top1 after the last epoch? 99.9 % confidence, fixed: 1 "
            "seed.",
        ),
        (
            Plan(question=Question.NON_INFERIORITY, margin=0.01, metric="val/loss", stopping=Stopping.SEQUENTIAL),
            2,
            "Plan: is an arm worse by at most 0.01 in val/loss after the last epoch? 95 % confidence, sequential: up "
            "to 30 seeds, until it is decided.",
        ),
    ],
)
def test_a_plan_is_told_in_a_sentence(plan: Plan, seeds: int, said: str) -> None:
    assert plan_sentence(plan, seeds=seeds) == said
