"""Designs of comparisons: arms, templates, plans, and seeds that a sequential plan launches by itself."""

from __future__ import annotations

from typing import Any

import pytest

from backend.compare import watched
from backend.db.tables import Comparison
from tests.api.house import QUICK, House, on_both
from worker.contract.arms import MOST_ARMS
from worker.contract.config import RunConfig
from worker.contract.templates import TEMPLATES

pytestmark = on_both

THREE = [
    {"name": "baseline", "settings": {"sd": False}},
    {"name": "pL 0.8", "settings": {"sd": True, "pL": 0.8}},
    {"name": "wider batch", "settings": {"batch": 256}},
]
SEQUENTIAL = {"stopping": "sequential", "max_seeds": 8}


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def launch(house: House, *, status: int = 201, **body: Any) -> Any:
    return house.api.post("/comparisons", {"config": QUICK} | body, status=status)


def finish(house: House, comparison: Any, top1: dict[str, float], *, seed: int) -> None:
    for run in house.api.get(f"/comparisons/{comparison['id']}")["runs"]:
        if run["seed"] == seed:
            house.move(run["id"], "completed", latest={"val/top1": top1[run["arm"]], "val/loss": 0.5})


def go_on(house: House) -> list[str]:
    with house.database.write() as session:
        return watched.go_on(session)


class TestArms:
    def test_a_run_of_each_arm_for_each_seed(self, house: House) -> None:
        made = launch(house, name="three", arms=THREE, seeds=[4, 2], mode="parallel")
        assert [(run["seed"], run["arm"]) for run in made["runs"]] == [
            (seed, arm["name"]) for seed in (4, 2) for arm in THREE
        ]
        assert made["arms"] == THREE
        assert (made["seeds"], made["factor"], made["is_open"]) == ([4, 2], "arms", False)
        configs = [house.api.run(run["id"])["config"] for run in made["runs"][:3]]
        assert [(one["sd"], one["pL"], one["batch"], one["seed"]) for one in configs] == [
            (False, 0.5, 128, 4),
            (True, 0.8, 128, 4),
            (False, 0.5, 256, 4),
        ]
        assert made["runs"][1]["name"] == "three · pL 0.8 · seed 4"
        assert made == house.api.get(f"/comparisons/{made['id']}")

    def test_tags_and_notes_are_each_runs_and_those_of_further_seeds(self, house: House) -> None:
        made = launch(house, tags=["one", "two"], notes="why", seeds=[0], plan=SEQUENTIAL, mode="parallel")
        finish(house, made, {"baseline": 90, "sd": 91}, seed=0)
        for run_id in [*(run["id"] for run in made["runs"]), *go_on(house)]:
            run = house.api.run(run_id)
            assert (run["tags"], run["notes"]) == (["one", "two"], "why")

    def test_without_arms_they_are_a_baseline_and_its_twin(self, house: House) -> None:
        made = launch(house)
        assert [(arm["name"], arm["settings"]) for arm in made["arms"]] == [
            ("baseline", {"sd": False}),
            ("sd", {"sd": True}),
        ]
        assert made["factor"] == "sd"

    @pytest.mark.parametrize(
        ("arms", "field", "said"),
        [
            (THREE[:1], "arms", "at least 2"),
            ([{"name": f"a{i}", "settings": {"epochs": i + 1}} for i in range(MOST_ARMS + 1)], "arms", "at most 8"),
            ([THREE[0], THREE[0]], "arms", "two arms are named 'baseline'"),
            ([THREE[0], {"name": "b", "settings": {"sd": False}}], "arms.1", "'baseline' and 'b' train the same"),
            ([THREE[0], {"name": "b", "settings": {"pL": 0.3}}], "arms.1", "nothing while sd is off or pL is 1"),
            ([THREE[0], {"name": "b", "settings": {"sd": True, "pL": 1}}], "arms.1", "train the same"),
            ([THREE[0], {"name": "b", "settings": {"seed": 3}}], "arms.1.settings", "seed is set by the comparison"),
            ([THREE[0], {"name": "b", "settings": {"dropout": 3}}], "arms.1.settings", "'dropout' is no setting"),
            ([THREE[0], {"name": "b", "settings": {"pL": 7}}], "arms.1.settings.pL", "7"),
            ([THREE[0], {"name": "b", "settings": {"depth": 7}}], "arms.1.settings.depth", "arm 'b'"),
            ([THREE[0], {"name": "  ", "settings": {"sd": True}}], "arms.1.name", ""),
            ([THREE[0], {"name": "\u200b", "settings": {"sd": True}}], "arms.1.name", "can be seen"),
            ([THREE[0], {"name": "x" * 65, "settings": {"sd": True}}], "arms.1.name", "64"),
            ([THREE[0], {"name": "b", "setings": {}}], "arms.1.setings", ""),
        ],
    )
    def test_arms_that_make_no_sense_are_refused_by_name(
        self, house: House, arms: list[dict[str, Any]], field: str, said: str
    ) -> None:
        problem = launch(house, arms=arms, status=422)
        assert field in problem["errors"], problem
        assert said in " ".join(problem["errors"][field])

    def test_every_template_can_be_launched_by_name(self, house: House) -> None:
        listed = house.api.get("/comparison-templates")["items"]
        assert [one["name"] for one in listed] == [one.name for one in TEMPLATES]
        for template in TEMPLATES:
            config = QUICK if "50" not in template.name else QUICK | {"depth": 50}
            made = launch(house, config=config, template=template.name)
            assert [arm["name"] for arm in made["arms"]] == [arm.name for arm in template.arms]

    def test_a_template_that_is_none_or_beside_arms_is_refused(self, house: House) -> None:
        assert "unknown template 'sweep'" in str(launch(house, template="sweep", status=422)["errors"])
        both = launch(house, template="survival", arms=THREE, status=422)
        assert "leave one of them out" in str(both["errors"]["template"])


class TestVerdict:
    def test_each_arm_is_judged_against_the_first(self, house: House) -> None:
        made = launch(house, arms=THREE, seeds=[0, 1, 2], mode="parallel")
        for seed, noise in enumerate((0.0, 0.3, 0.1)):
            top1 = {"baseline": 90 + noise, "pL 0.8": 91 + noise + 0.01 * seed, "wider batch": 90 - noise}
            finish(house, made, top1, seed=seed)
        verdict = house.api.get(f"/comparisons/{made['id']}")["verdict"]
        assert [(one["arm"], one["reference"], one["n"]) for one in verdict["contrasts"]] == [
            ("pL 0.8", "baseline", 3),
            ("wider batch", "baseline", 3),
        ]
        first, second = verdict["contrasts"]
        assert (first["conclusion"], second["conclusion"]) == ("better", "undecided")
        assert first["p_adjusted"] == pytest.approx(2 * first["p"])
        assert (verdict["conclusion"], verdict["is_decided"], verdict["pairs"]) == ("better", False, [])
        assert verdict["headline"].startswith("2 arms against the baseline over 3 seeds: pL 0.8 is better; ")

    def test_the_plan_is_kept_and_decides(self, house: House) -> None:
        plan = {"question": "non_inferiority", "margin": 0.5, "metric": "val/loss", "confidence": 0.9}
        made = launch(house, seeds=[0, 1, 2], plan=plan)
        assert made["plan"] == plan | {"at": "last", "stopping": "fixed", "max_seeds": None}
        for run, loss in zip(made["runs"], (1.0, 1.1, 1.0, 1.2, 1.1, 1.15), strict=True):
            house.move(run["id"], "completed", latest={"val/top1": 50.0, "val/loss": loss})
        verdict = house.api.get(f"/comparisons/{made['id']}")["verdict"]
        assert verdict["conclusion"] == "not_inferior"
        assert "at most" in verdict["headline"]
        assert "(90 %)" in verdict["headline"]

    def test_a_fixed_plan_waits_for_all_its_seeds(self, house: House) -> None:
        made = launch(house, seeds=[0, 1, 2])
        finish(house, made, {"baseline": 90, "sd": 91}, seed=0)
        finish(house, made, {"baseline": 90, "sd": 91.1}, seed=1)
        verdict = house.api.get(f"/comparisons/{made['id']}")["verdict"]
        assert (verdict["conclusion"], verdict["reason"]) == (
            "undecided",
            "2 of 3 planned seeds have ended. A fixed plan decides when all have.",
        )

    def test_runs_that_failed_were_stopped_or_deleted_are_named(self, house: House) -> None:
        made = launch(house, seeds=[0, 1, 2, 3], mode="parallel")
        finish(house, made, {"baseline": 90, "sd": 91}, seed=0)
        house.move(made["runs"][3]["id"], "failed")
        house.move(made["runs"][5]["id"], "stopped")
        house.move(made["runs"][7]["id"], "stopped")
        house.client.delete(f"/api/v1/runs/{made['runs'][7]['id']}")
        (told, *_) = house.api.get(f"/comparisons/{made['id']}")["verdict"]["warnings"]
        for part in ("3 runs", "seed 1, failed", "seed 2, was stopped", "seed 3, was deleted"):
            assert part in told

    @pytest.mark.parametrize(
        ("plan", "field"),
        [
            ({"question": "non_inferiority"}, "plan.margin"),
            ({"margin": 1}, "plan.margin"),
            ({"stopping": "sequential", "max_seeds": 2}, "seeds"),
            ({"metric": "lr"}, "plan.metric"),
            ({"at": "best"}, "plan.at"),
        ],
    )
    def test_a_plan_that_makes_no_sense_is_refused(self, house: House, plan: dict[str, Any], field: str) -> None:
        assert field in launch(house, seeds=[0, 1, 2], plan=plan, status=422)["errors"]


class TestSequentialPlans:
    def test_seeds_are_launched_until_the_plan_is_decided(self, house: House) -> None:
        made = launch(house, seeds=[5], plan=SEQUENTIAL, mode="parallel")
        assert made["is_open"]
        for count, gain in enumerate((1.0, 1.2, 0.9, 1.1, 1.05)):
            assert go_on(house) == [], "it waits while a run is not final"
            finish(house, made, {"baseline": 90.0, "sd": 90.0 + gain}, seed=5 + count)
            launched = go_on(house)
            found = house.api.get(f"/comparisons/{made['id']}")
            if count < 4:
                assert len(launched) == 2
                assert found["seeds"] == list(range(5, 7 + count))
                assert found["verdict"]["conclusion"] in ("undecided", "not_enough")
        assert launched == []
        assert (found["is_open"], found["ended_reason"]) == (False, "The plan is decided.")
        assert found["verdict"]["conclusion"] == "better"
        assert [look["seed"] for look in found["verdict"]["contrasts"][0]["looks"]] == [5, 6, 7, 8, 9]
        assert go_on(house) == []

    def test_it_ends_with_its_last_seed(self, house: House) -> None:
        made = launch(house, seeds="0-1", plan=SEQUENTIAL | {"max_seeds": 3}, mode="parallel")
        finish(house, made, {"baseline": 90, "sd": 91}, seed=0)
        assert go_on(house) == []
        finish(house, made, {"baseline": 90, "sd": 88}, seed=1)
        assert len(go_on(house)) == 2
        finish(house, made, {"baseline": 90, "sd": 92}, seed=2)
        assert go_on(house) == []
        found = house.api.get(f"/comparisons/{made['id']}")
        assert found["ended_reason"] == "All 3 seeds of the plan have ended."
        assert found["verdict"]["conclusion"] == "undecided"

    def test_a_seed_of_which_a_run_failed_is_followed_by_another(self, house: House) -> None:
        made = launch(house, seeds=[0], plan=SEQUENTIAL, mode="parallel")
        house.move(made["runs"][0]["id"], "failed")
        house.move(made["runs"][1]["id"], "completed", latest={"val/top1": 90.0})
        assert len(go_on(house)) == 2

    @pytest.mark.parametrize("is_deleted", [False, True])
    def test_who_stops_or_deletes_the_last_runs_wants_no_more_of_them(self, house: House, is_deleted: bool) -> None:
        made = launch(house, seeds=[0, 1], plan=SEQUENTIAL, mode="parallel")
        finish(house, made, {"baseline": 90, "sd": 91}, seed=0)
        for run in made["runs"][2:]:
            house.move(run["id"], "stopped")
            if is_deleted:
                house.client.delete(f"/api/v1/runs/{run['id']}")
        assert go_on(house) == []
        found = house.api.get(f"/comparisons/{made['id']}")
        assert not found["is_open"]
        assert ("deleted" if is_deleted else "stopped") in found["ended_reason"]

    def test_the_next_seed_has_the_same_settings(self, house: House) -> None:
        made = launch(house, config=QUICK | {"lr": 0.07}, arms=THREE, seeds=[0], plan=SEQUENTIAL)
        finish(house, made, {"baseline": 90, "pL 0.8": 91, "wider batch": 91}, seed=0)
        launched = [house.api.run(run_id) for run_id in go_on(house)]
        first = [house.api.run(run["id"])["config"] for run in made["runs"]]
        assert [run["config"] for run in launched] == [config | {"seed": 1} for config in first]
        assert all(RunConfig.model_validate(run["config"]).lr == 0.07 for run in launched)

    def test_one_that_cannot_be_judged_keeps_no_other_from_going_on(self, house: House) -> None:
        broken = launch(house, seeds=[0], plan=SEQUENTIAL, mode="parallel")
        sound = launch(house, seeds=[0], plan=SEQUENTIAL, mode="parallel")
        with house.database.write() as session:
            session.get_one(Comparison, broken["id"]).config = {"depth": 7}
        for made in (broken, sound):
            finish(house, made, {"baseline": 90, "sd": 91}, seed=0)
        assert len(go_on(house)) == 2
        assert "cannot be launched" in house.api.get(f"/comparisons/{broken['id']}")["ended_reason"]


def test_a_comparison_from_before_there_were_arms_is_read(house: House) -> None:
    made = launch(house, seeds=[3])
    with house.database.write() as session:
        old = session.get_one(Comparison, made["id"])
        old.config, old.arms, old.plan, old.seeds = None, None, None, None
    found = house.api.get(f"/comparisons/{made['id']}")
    assert found["arms"] == made["arms"]
    assert (found["plan"], found["seeds"]) == (made["plan"], [3])
