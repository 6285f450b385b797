"""What a comparison would take and could show, before it is launched."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.api.house import QUICK, House, on_both

pytestmark = on_both

SWEEP = [{"name": "baseline", "settings": {"sd": False}}, {"name": "pL 0.8", "settings": {"sd": True, "pL": 0.8}}]


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def preview(house: House, *, status: int = 200, **body: Any) -> Any:
    return house.api.post("/comparisons/preview", {"config": QUICK} | body, status=status)


def completed(
    house: House, differences: list[float], *, seconds: float = 90.0, device: str = "cpu (A)", **config: Any
) -> None:
    """A comparison with these differences between its arms, each run in so many seconds."""
    seeds = list(range(len(differences)))
    made = house.api.post("/comparisons", {"config": QUICK | config, "seeds": seeds}, status=201)
    for run in made["runs"]:
        top1 = 90.0 + (differences[run["seed"]] if run["arm"] == "sd" else 0.0)
        house.move(run["id"], "completed", latest={"val/top1": top1}, elapsed_seconds=seconds, facts={"device": device})


def test_the_runs_that_would_be_made_and_nothing_is(house: House) -> None:
    before = house.api.get("/runs")["items"]
    found = preview(house, arms=SWEEP, seeds="0-2")
    assert (found["runs"], found["most_runs"], found["seeds"]) == (6, 6, [0, 1, 2])
    assert [(arm["name"], arm["settings"]) for arm in found["arms"]] == [(a["name"], a["settings"]) for a in SWEEP]
    assert all(arm["steps"] > 0 for arm in found["arms"])
    assert house.api.get("/runs")["items"] == before


def test_what_was_never_trained_here_is_not_guessed(house: House) -> None:
    found = preview(house, config=QUICK | {"depth": 44}, seeds="0-2")
    assert (found["device_hours"], found["arms"][0]["run_hours"], found["arms"][0]["timed_runs"]) == (None, None, 0)
    assert "Device hours are not measured here yet" in " ".join(found["notes"])
    assert found["spread"]["degrees"] == 0
    assert found["spread"]["value"] == pytest.approx(100 * math.sqrt(0.12 / 360))
    assert found["images_half_width"] == pytest.approx(1.96 * 100 * math.sqrt(0.12 / 360), rel=1e-3)


def test_hours_and_spread_are_those_that_were_measured_here(house: House) -> None:
    config = QUICK | {"depth": 32}
    completed(house, [0.2, 0.4, 0.9], depth=32)
    found = preview(house, config=config, seeds="0-3", plan={"question": "difference"})
    assert [arm["timed_runs"] for arm in found["arms"]] == [3, 3]
    assert found["device_hours"] == pytest.approx(2 * 4 * 90 / 3600)
    assert found["spread"] == {"value": pytest.approx(0.3606, abs=1e-3), "degrees": 2}
    assert found["headline"].startswith("4 seeds: an interval of about ±0.57 points")
    (row,) = [row for row in found["reach"] if row["seeds"] == 4]
    assert row["half_width"] == pytest.approx(3.1824 * 0.3606 / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "is_timed", "is_alike"),
    [
        ({"lr": 0.05, "label_smoothing": 0.1}, True, True),
        ({"epochs": 20}, True, False),
        ({"image_size": 32}, True, True),
        ({"batch": 64}, False, False),
        ({"amp": "bf16"}, False, True),
    ],
)
def test_only_like_settings_count(house: House, change: dict[str, Any], is_timed: bool, is_alike: bool) -> None:
    completed(house, [0.2, 0.4, 0.9], depth=56)
    found = preview(house, config=QUICK | {"depth": 56} | change)
    assert (found["device_hours"] is not None, found["spread"]["degrees"] > 0) == (is_timed, is_alike)


def test_hours_follow_the_epochs_and_an_arm_is_timed_by_its_own_settings(house: House) -> None:
    completed(house, [0.2, 0.4], depth=44, eval_every=2)
    config = QUICK | {"depth": 44, "eval_every": 2}
    longer = preview(house, config=config | {"epochs": 2 * QUICK["epochs"]})
    assert longer["device_hours"] == pytest.approx(2 * 2 * 90 / 3600)
    other = preview(house, config=config, arms=SWEEP)
    assert [arm["timed_runs"] for arm in other["arms"]] == [2, 0]
    assert other["device_hours"] is None


def test_times_of_two_kinds_of_device_are_not_mixed(house: House) -> None:
    """The newest runs say on which the next ones will be trained."""
    config = QUICK | {"depth": 20, "ema": 0.9}
    completed(house, [0.1, 0.2, 0.3], ema=0.9, depth=20, seconds=9000.0, device="cpu (A)")
    completed(house, [0.1], ema=0.9, depth=20, seconds=36.0, device="cuda (H100)")
    found = preview(house, config=config)
    assert found["device"] == "cuda (H100)"
    assert found["device_hours"] == pytest.approx(2 * 36 / 3600)
    assert [arm["timed_runs"] for arm in found["arms"]] == [1, 1]
    assert "by a completed run with these settings on cuda (H100)." in " ".join(found["notes"])


def test_a_sequential_plan_is_told_its_most(house: House) -> None:
    found = preview(house, plan={"stopping": "sequential", "max_seeds": 12}, seeds=[0, 1])
    assert (found["runs"], found["most_runs"]) == (4, 24)
    assert found["headline"].startswith("Up to 12 seeds: ")


def test_a_loss_has_no_assumed_spread(house: House) -> None:
    found = preview(house, config=QUICK | {"depth": 110}, plan={"metric": "val/loss"}, seeds="0-2")
    assert (found["spread"], found["reach"], found["images_half_width"]) == (None, [], None)
    assert "not known before some have ended" in found["headline"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"arms": SWEEP[:1]}, "arms"),
        ({"template": "no-such"}, "template"),
        ({"arms": [SWEEP[0], {"name": "twin", "settings": {"sd": False}}]}, "arms.1"),
        ({"seeds": "4-0"}, "seeds"),
        ({"plan": {"margin": 1}}, "plan.margin"),
        ({"config": {"epochs": 0}}, "epochs"),
    ],
)
def test_what_a_launch_refuses_is_refused_the_same_way(house: House, body: dict[str, Any], field: str) -> None:
    refused = preview(house, status=422, **body)
    launched = house.api.post("/comparisons", {"config": QUICK} | body, status=422)
    assert refused["errors"] == launched["errors"]
    assert any(field in name for name in refused["errors"])


def test_top5_has_a_share_of_its_own(house: House) -> None:
    top1, top5 = (preview(house, plan={"metric": metric}, seeds="0-2") for metric in ("val/top1", "val/top5"))
    assert top5["images_half_width"] == pytest.approx(top1["images_half_width"] * math.sqrt(0.035 / 0.12))
    assert "3.5 % of them are judged differently" in " ".join(top5["notes"])


def test_hours_of_some_arms_are_no_hours_of_all(house: House) -> None:
    completed(house, [0.1], depth=56)
    arms = [*SWEEP, {"name": "deep", "settings": {"depth": 110}}]
    notes = " ".join(preview(house, config=QUICK | {"depth": 56}, arms=arms)["notes"])
    assert "no run with the settings of 2 of the 3 arms has completed" in notes


def test_what_one_depth_showed_says_nothing_of_arms_of_several(house: House) -> None:
    completed(house, [0.2, 0.4, 0.9], depth=20)
    arms = [{"name": f"depth {depth}", "settings": {"depth": depth}} for depth in (20, 32)]
    assert preview(house, arms=arms)["spread"]["degrees"] == 0
    assert preview(house)["spread"]["degrees"] >= 2


@pytest.mark.parametrize(("value", "said"), [(95, "write 95 % as 0.95"), ("abc", "give one from 0.5 to 0.9999")])
def test_a_confidence_is_told_as_it_has_to_be_written(house: House, value: object, said: str) -> None:
    refused = preview(house, plan={"confidence": value}, status=422)
    assert said in str(refused["errors"])
