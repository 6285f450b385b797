"""The paragraph for a paper says what was done, and cites what it names."""

from __future__ import annotations

import re
from typing import Any

import pytest

from worker.contract.config import RunConfig
from worker.contract.plan import Plan, Question, Stopping
from worker.report.methods import Methods, methods_section

CONFIG = RunConfig.model_validate({"dataset": "digits", "depth": 20, "epochs": 5, "batch": 64})


def told(**changes: Any) -> str:
    given: dict[str, Any] = {
        "arms": ("baseline", "sd"),
        "seeds": 5,
        "plan": Plan(),
        "config": CONFIG,
        "uses_sd": True,
        "uses_mixup": False,
        "has_images": False,
        "versions": {"torch": "2.14.1"},
    }
    return re.sub(r"<[^>]+>", "\n", "".join(map(str, methods_section(Methods(**given | changes)))))


def test_design_training_plan_and_versions_are_said() -> None:
    text = told()
    assert "We compared Stochastic depth with Baseline, with 5 random seeds each." in text
    assert "Pre-activation ResNet-20 (He et al. 2016) was trained on digits at 32 px for 5 epochs" in text
    assert "to ask whether the arms differ in val/top1 after the last epoch, with 95 % confidence; the number" in text
    assert "torch 2.14.1" in text


@pytest.mark.parametrize(
    ("changes", "said", "cited", "left_out"),
    [
        ({}, "paired t-test with Student&#x27;s interval", "Student: The probable", "Holm"),
        ({"plan": Plan(stopping=Stopping.SEQUENTIAL)}, "at most 30", "Wang and Ramdas: Anytime", "Student: The"),
        ({"plan": Plan(question=Question.NON_INFERIORITY, margin=0.3)}, "at most 0.3 points", "Student: The", "Holm"),
        ({"arms": ("baseline", "a", "b")}, "We compared a and b with Baseline", "Holm: A simple", "McNemar"),
        ({"has_images": True}, "McNemar&#x27;s exact test", "Benjamini and Hochberg: Con", "Holm"),
        ({"uses_mixup": True}, "Images were mixed", "Zhang, Cisse", "Holm"),
        ({"changes": ["seeds: added 7"]}, "Deviations from this plan", "Student: The", "Holm"),
    ],
)
def test_what_is_used_is_named_and_cited(changes: dict[str, Any], said: str, cited: str, left_out: str) -> None:
    text = told(**changes)
    assert said in text
    assert cited in text
    assert left_out not in text
