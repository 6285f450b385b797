"""What is said of a comparison is the same everywhere: interface, report, and both command lines."""

from __future__ import annotations

from typing import Any

import pytest

from backend.cli.run_text import say_comparison
from tests.api.house import QUICK, House, on_both
from tests.api.test_report import FACTS, report

pytestmark = on_both


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def compared(house: House, *pairs: tuple[float, float], **facts: Any) -> Any:
    """A comparison that is over: for each seed the difference of the last val/top1, and the median step of the baseline
    in seconds, where stochastic depth's is 0.75 s and computes 0.75. `facts` are those of the runs with it."""
    made = house.api.post("/comparisons", {"config": QUICK, "seeds": list(range(len(pairs)))}, status=201)
    for run in made["runs"]:
        is_sd = run["arm"] == "sd"
        difference, step = pairs[run["seed"]]
        speed, top1 = 128 / (0.75 if is_sd else step), 90.0 + difference * is_sd
        house.move(run["id"], "queued", facts=FACTS | (facts if is_sd else {}), steps_per_epoch=11)
        compute = {"sd_compute": lambda _: 0.75} if is_sd else {}
        house.points(run["id"], range(3, 34, 3), images_per_second=lambda _, speed=speed: speed, **compute)
        house.points(run["id"], range(33, 34), val_top1=lambda _, top1=top1: top1, val_loss=lambda _: 0.5)
        house.move(run["id"], "completed", epoch=3.0)
    return house.api.get(f"/comparisons/{made['id']}")


def everywhere(house: House, comparison: Any, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    say_comparison(comparison)
    return {"report": report(house, comparison).text, "command line": capsys.readouterr().out}


def test_three_pairs_that_differ_in_sign_cannot_tell_wherever_one_looks(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    comparison = compared(house, (0.3, 1.0), (-0.4, 1.0), (0.9, 1.0))
    verdict = comparison["verdict"]
    assert verdict["headline"] == (
        "These 3 seeds cannot tell stochastic depth from the baseline: a difference of +0.27 points "
        "(95 % interval −1.35 to +1.88)."
    )
    assert (verdict["last_top1"]["low"], verdict["last_top1"]["high"]) == pytest.approx((-1.3496, 1.8830), abs=1e-3)
    for place, text in everywhere(house, comparison, capsys).items():
        assert "+0.27 points (95 % interval −1.35 to +1.88, 3 seeds)" in text, place
        for sentence in (verdict["headline"], verdict["time_sentence"], *verdict["sentences"]):
            assert sentence in text, place
        assert "more top-1" not in text, place


def test_one_seed_claims_nothing_wherever_one_looks(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    comparison = compared(house, (5.0, 1.0))
    assert "One seed cannot tell stochastic depth from the baseline" in comparison["headline"]
    for place, text in everywhere(house, comparison, capsys).items():
        assert comparison["headline"] in text, place
        assert "more top-1" not in text, place


def test_a_ratio_that_skipping_cannot_explain_is_called_so_wherever_one_looks(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """The baseline's steps took 1.12 s on a machine that was busy; 0.67 of that is below the 0.75 that are left."""
    comparison = compared(house, (0.0, 1.12))
    verdict = comparison["verdict"]
    assert verdict["mean_time_ratio"] == pytest.approx(0.75 / 1.12)
    assert (verdict["times_explained"], verdict["time_saved"]) == (False, None)
    for place, text in everywhere(house, comparison, capsys).items():
        assert "took 0.67 of the baseline's time (one pair), and 0.75 of the compute was left" in text, place
        assert "Skipping cannot explain that" in text, place


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"threads": 1}, "the runs were trained with 2 threads and with 1 thread"),
        ({"device": "NVIDIA H100"}, "the runs were trained on cpu (A) and on NVIDIA H100"),
        ({"versions": {"torch": "3"}}, "the runs were trained with torch 2.14.1 and with torch 3"),
    ],
)
def test_times_of_other_circumstances_are_not_compared_wherever_one_looks(
    house: House, capsys: pytest.CaptureFixture[str], facts: dict[str, Any], reason: str
) -> None:
    comparison = compared(house, (0.0, 1.0), **facts)
    assert comparison["verdict"]["mean_time_ratio"] is None
    for place, text in everywhere(house, comparison, capsys).items():
        assert f"Times are not compared. Seed 0: {reason}." in text, place


def test_times_are_told_with_their_spread_beside_the_most_that_can_be_saved(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    comparison = compared(house, (0.0, 0.9375))
    (pair,) = comparison["verdict"]["pairs"]
    assert pair["sd"]["step_seconds"] == {"median": 0.75, "q1": 0.75, "q3": 0.75, "n": 7}
    for place, text in everywhere(house, comparison, capsys).items():
        assert "skipping can save at most 25 %, and saved 20 %" in text, place
        assert "750 ms (750 to 750)" in text, place
