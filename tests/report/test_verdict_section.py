"""A report tells of arms and of a sequential plan's looks what the page draws."""

from __future__ import annotations

from tests.evidence.test_verdict import WATCHED, pair
from worker.evidence.verdict import Design, Verdict, verdict_of
from worker.report.verdict import verdict_section


def told(verdict: Verdict) -> str:
    return "".join(map(str, verdict_section(verdict, seeds=3, plan=WATCHED)))


def test_arms_have_their_means_and_a_sequential_plan_its_looks() -> None:
    runs = [one for seed, difference in enumerate((1.0, 1.2, 0.9)) for one in pair(seed, difference)]
    text = told(verdict_of(runs, Design(plan=WATCHED)))
    assert "Arms, means over their seeds" in text
    assert "91.03 %" in text
    assert "90.65 to 91.41" in text
    assert "sd: evidence after each seed, decided at 20" in text
    assert "evidence after each seed" not in told(verdict_of(runs))
