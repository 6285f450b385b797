"""A plan is settled when its first run starts: what is changed later is kept, dated, and costs the claim."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from backend.compare import watched
from tests.api.house import QUICK, House

DIFFERENCES = (1.0, 1.2, 0.9, 1.1)


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def launch(house: House, **body: Any) -> str:
    return str(house.api.post("/comparisons", {"config": QUICK, "seeds": "0-2"} | body, status=201)["id"])


def edit(house: House, comparison: str, *, status: int = 200, **body: Any) -> Any:
    answer = house.client.patch(f"/api/v1/comparisons/{comparison}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def finish(house: House, comparison: str) -> Any:
    """All its runs, with an arm that is better."""
    for run in house.api.get(f"/comparisons/{comparison}")["runs"]:
        if run["status"] == "queued":
            top1 = 90.0 + (DIFFERENCES[run["seed"] % 4] if run["arm"] == "sd" else 0.0)
            latest = {"val/top1": top1, "val/loss": 0.5}
            house.move(run["id"], "completed", latest=latest, started_at=datetime.now(UTC))
    return house.api.get(f"/comparisons/{comparison}")


def test_before_the_first_run_starts_all_may_be_changed(house: House) -> None:
    comparison = launch(house)
    view = edit(house, comparison, seeds="0-4", plan={"metric": "val/loss"}, name="another")
    assert (view["name"], view["seeds"], view["deviations"]) == ("another", [0, 1, 2, 3, 4], [])
    assert len(view["runs"]) == 10
    assert finish(house, comparison)["verdict"]["conclusion"] == "not_enough"  # losses are alike


def test_a_seed_that_is_added_later_costs_a_fixed_plan_its_claim(house: House) -> None:
    comparison = launch(house)
    assert finish(house, comparison)["verdict"]["conclusion"] == "better"
    (kept,) = edit(house, comparison, seeds="0-3")["deviations"]
    assert (kept["field"], kept["before"], kept["after"]) == ("seeds", [0, 1, 2], [0, 1, 2, 3])
    assert kept["sentence"] == "seeds: added 3"
    verdict = finish(house, comparison)["verdict"]
    assert verdict["conclusion"] == "undecided"
    assert "seed 3 came in addition" in verdict["reason"]
    # Taken back, with its runs left as they are.
    assert edit(house, comparison, seeds="0-2")["verdict"]["conclusion"] == "better"
    assert len(house.api.get(f"/comparisons/{comparison}")["deviations"]) == 2


def test_a_seed_that_is_dropped_later_counts_no_more_and_is_told(house: House) -> None:
    comparison = launch(house)
    finish(house, comparison)
    verdict = edit(house, comparison, seeds="0-1")["verdict"]
    assert (verdict["seeds"], verdict["conclusion"]) == ([0, 1], "undecided")
    assert "The plan was changed after its runs had begun: seed 2 was dropped." in verdict["reason"]
    assert verdict["headline"].startswith("No claim can be made of stochastic depth")


def test_another_question_after_the_results_decides_nothing(house: House) -> None:
    comparison = launch(house)
    finish(house, comparison)
    view = edit(house, comparison, plan={"question": "non_inferiority", "margin": 0.5})
    assert [one["sentence"] for one in view["deviations"]] == [
        "question: difference became non_inferiority",
        "margin: none became 0.5",
    ]
    assert view["verdict"]["conclusion"] == "undecided"
    assert edit(house, comparison, plan={})["verdict"]["conclusion"] == "better"


def test_a_plan_that_looks_after_each_seed_may_take_further_ones(house: House) -> None:
    comparison = launch(house, plan={"stopping": "sequential", "max_seeds": 5})
    finish(house, comparison)
    view = edit(house, comparison, seeds="0-3")
    assert "No claim" not in view["headline"]
    refused = edit(house, comparison, seeds="0-5", status=422)
    assert "exceed the plan's max_seeds of 5" in str(refused["errors"])


def test_the_next_seed_is_none_that_was_dropped(house: House) -> None:
    comparison = launch(house, seeds="0-3", plan={"stopping": "sequential", "max_seeds": 8})
    finish(house, comparison)
    edit(house, comparison, seeds="0-1")
    with house.database.write() as session:
        watched.go_on(session)
    assert house.api.get(f"/comparisons/{comparison}")["seeds"] == [0, 1, 4]


def test_a_seed_whose_runs_are_not_over_cannot_be_dropped(house: House) -> None:
    comparison = launch(house)
    refused = edit(house, comparison, seeds="0-1", status=409)
    assert "seed 2 has runs that are not over" in refused["detail"]


def test_a_name_is_no_deviation_and_nothing_changes_nothing(house: House) -> None:
    comparison = launch(house)
    finish(house, comparison)
    view = edit(house, comparison, name="later name")
    assert (view["name"], view["deviations"]) == ("later name", [])
    assert edit(house, comparison) == view | {"name": "later name"}
    edit(house, comparison, name="", status=422)
    edit(house, "c_none", name="x", status=404)


def test_seeds_that_are_added_wait_for_the_runs_before_them(house: House) -> None:
    for mode, waits in (("sequential", True), ("parallel", False)):
        comparison = launch(house, mode=mode)
        runs = edit(house, comparison, seeds="0-3")["runs"]
        added = house.api.run(runs[6]["id"])
        assert (runs[6]["seed"], "seed 2" in str(added["waiting_for"])) == (3, waits)
