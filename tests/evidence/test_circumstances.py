"""What runs differ in beside their arms is said beside the verdict."""

from __future__ import annotations

from typing import Any

import pytest

from tests.evidence.test_verdict import MACHINE, pair, run
from worker.evidence.circumstances import circumstances
from worker.evidence.verdict import verdict_of

OTHER = MACHINE.model_copy(update={"device": "cpu (B)"})


def test_runs_that_were_trained_alike_have_nothing_said_of_them() -> None:
    assert circumstances([*pair(0, 0.1), *pair(1, 0.2)]) == []
    # Seeds may be trained in different places, as long as their arms are together.
    elsewhere = [run(2, arm, 90.0, machines=[OTHER]) for arm in ("baseline", "sd")]
    assert circumstances([*pair(0, 0.1), *elsewhere]) == []
    assert circumstances(pair(0, 0.1, machines=[])) == []


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({"device": "cpu (B)"}, "on cpu (A) and on cpu (B)"),
        ({"threads": 1}, "with 2 threads and with 1 thread"),
        ({"versions": {"torch": "2.15"}}, "with torch 2.14 and with torch 2.15"),
    ],
)
def test_arms_of_a_seed_that_were_not_trained_alike(changes: dict[str, Any], how: str) -> None:
    unlike = [MACHINE.model_copy(update=changes)]
    found = circumstances([*pair(0, 0.1), *pair(1, 0.2, machines=unlike), *pair(4, 0.2, machines=unlike)])
    assert found == [f"The arms of seeds 1, 4 were trained {how}: what that changes is part of their difference."]


def test_many_seeds_are_counted() -> None:
    (found,) = circumstances([one for seed in range(5) for one in pair(seed, 0.1, machines=[OTHER])])
    assert found.startswith("The arms of 5 seeds were trained on cpu (A) and on cpu (B)")


def test_a_run_that_went_on_elsewhere() -> None:
    (found,) = circumstances([*pair(0, 0.1), *pair(1, 0.2, machines=[MACHINE, OTHER])])
    assert found == (
        "Stochastic depth of seed 1 went on under other circumstances than it began with: trained on cpu (A) and on "
        "cpu (B) in turn."
    )
    own = run(2, "pL 0.8", 90.0, machines=[MACHINE, OTHER])
    assert circumstances([own])[0].startswith("pL 0.8 of seed 2 went on")


def test_it_stands_beside_the_verdict() -> None:
    verdict = verdict_of([*pair(0, 0.1), *pair(1, 0.3, machines=[OTHER])])
    assert any("were trained on cpu (A) and on cpu (B)" in warning for warning in verdict.warnings)
