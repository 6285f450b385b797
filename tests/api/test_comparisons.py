"""Comparisons: the pairs, their order, their verdict; and any runs side by side."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis
from sqlalchemy import null, update

from backend.db.tables import Comparison
from tests.api.house import QUICK, House, on_both, wait_until
from worker.contract.names import TRAIN_QUEUE, run_key
from worker.contract.rings import read_ring

pytestmark = on_both


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def queued(house: House, ids: list[str]) -> list[str]:
    return [run["id"] for run in house.api.get("/queue")["items"] if run["id"] in ids]


def launch(house: House, **body: Any) -> Any:
    return house.api.post("/comparisons", {"config": QUICK} | body, status=201)


def test_makes_a_baseline_and_its_twin_for_each_seed(house: House) -> None:
    made = launch(house, name="pair", seeds=[3, 4])
    assert [(run["seed"], run["arm"]) for run in made["runs"]] == [
        (3, "baseline"),
        (3, "sd"),
        (4, "baseline"),
        (4, "sd"),
    ]
    assert made["runs"][1]["name"] == "pair · stochastic depth · seed 3"
    assert (made["factor"], made["mode"], made["verdict"]) == ("sd", "sequential", None)
    assert made == house.api.get(f"/comparisons/{made['id']}") == house.api.get("/comparisons")["items"][0]


def test_twins_differ_in_nothing_but_stochastic_depth(house: House) -> None:
    made = launch(house, config=QUICK | {"sd": True, "seed": 9, "lr": 0.05}, seeds=[1])
    baseline, twin = (house.api.run(run["id"]) for run in made["runs"])
    assert (baseline["config"]["sd"], twin["config"]["sd"]) == (False, True)
    assert baseline["config"] | {"sd": True} == twin["config"]
    assert (baseline["config"]["seed"], baseline["config"]["lr"]) == (1, 0.05)
    assert (baseline["arm"], baseline["comparison_id"]) == ("baseline", made["id"])


def test_all_of_its_runs_get_the_tags_and_the_notes(house: House) -> None:
    told = {"tags": ["paper", "digits", "Paper"], "notes": "does it help?\nI think so"}
    made = launch(house, seeds=[0, 1], **told)
    runs = [house.api.run(run["id"]) for run in made["runs"]]
    assert [(run["tags"], run["notes"]) for run in runs] == [(["paper", "digits"], told["notes"])] * 4
    alone = launch(house)["runs"][0]["id"]
    assert (house.api.run(alone)["tags"], house.api.run(alone)["notes"]) == ([], "")


def test_tags_and_notes_are_refused_as_those_of_a_run(house: House) -> None:
    refused = {"config": QUICK, "tags": ["a,b"], "notes": "n" * 20_001}
    errors = house.api.post("/comparisons", refused, status=422)["errors"]
    assert {field.split(".")[0] for field in errors} == {"tags", "notes"}
    assert errors == house.api.post("/runs", refused, status=422)["errors"]


def test_seeds_may_be_named_by_ranges(house: House) -> None:
    for seeds in ("0-1, 3", ["0-1", 3]):
        assert [run["seed"] for run in launch(house, seeds=seeds)["runs"]] == [0, 0, 1, 1, 3, 3]


def test_runs_that_were_deleted_are_named(house: House) -> None:
    made = launch(house, seeds=[7, 0, 3])
    assert made["deleted"] == []
    for index in (1, 2, 3):
        house.client.delete(f"/api/v1/runs/{made['runs'][index]['id']}").raise_for_status()
    gone = [{"seed": 7, "arm": "sd"}, {"seed": 0, "arm": "baseline"}, {"seed": 0, "arm": "sd"}]
    assert house.api.get(f"/comparisons/{made['id']}")["deleted"] == gone


def test_of_an_older_comparison_those_are_named_whose_twin_is_left(house: House) -> None:
    made = launch(house, seeds=[7, 0])
    with house.database.write() as session:
        session.execute(update(Comparison).where(Comparison.id == made["id"]).values(seeds=null()))
    for index in (1, 2, 3):
        house.client.delete(f"/api/v1/runs/{made['runs'][index]['id']}").raise_for_status()
    assert house.api.get(f"/comparisons/{made['id']}")["deleted"] == [{"seed": 7, "arm": "sd"}]


def test_sequential_runs_wait_for_each_other(house: House) -> None:
    ids = [run["id"] for run in launch(house, seeds=[0, 1])["runs"]]
    runs = [house.api.run(run_id) for run_id in ids]
    assert [run["after"] for run in runs] == [None, *ids[:3]]
    assert runs[1]["waiting_for"] == f"{runs[0]['name']} ({ids[0]}) to finish"
    assert queued(house, ids) == ids
    house.move(ids[0], "failed")
    assert house.api.run(ids[1])["waiting_for"] == "a worker"


def test_parallel_runs_do_not(house: House) -> None:
    ids = [run["id"] for run in launch(house, seeds=[0, 1], mode="parallel")["runs"]]
    assert [house.api.run(run_id)["after"] for run_id in ids] == [None] * 4
    assert queued(house, ids) == ids


def test_what_is_probably_not_meant_is_warned_of_once(house: House) -> None:
    warnings = launch(house, seeds=[0, 1])["warnings"]
    assert any("batch-norm statistics" in warning for warning in warnings)
    assert len(warnings) == len(set(warnings))


def test_the_verdict_compares_what_has_finished(house: House) -> None:
    made = launch(house, seeds=[0, 1, 2])
    ids = [run["id"] for run in made["runs"]]
    for run_id, last, best, seconds in (
        (ids[0], 90.0, 92.0, 100.0),
        (ids[1], 93.0, 93.0, 80.0),
        (ids[2], 91.0, 91.0, 100.0),
        (ids[3], 92.0, 94.0, 60.0),
        (ids[4], 99.0, 99.0, 100.0),
    ):
        house.move(run_id, "completed", latest={"val/top1": last}, best_top1=best, elapsed_seconds=seconds)
    found = house.api.get(f"/comparisons/{made['id']}")
    verdict = found["verdict"]
    assert [pair["seed"] for pair in verdict["pairs"]] == [0, 1]
    first = verdict["pairs"][0]
    for arm, told in (
        ("baseline", {"run": ids[0], "last_top1": 90.0, "best_top1": 92.0, "seconds": 100.0}),
        ("sd", {"run": ids[1], "last_top1": 93.0, "best_top1": 93.0, "seconds": 80.0}),
    ):
        assert {name: first[arm][name] for name in told} == told
    assert (first["seed"], first["difference"]) == (0, 3.0)
    assert (verdict["mean_difference"], verdict["last_top1"]["n"]) == (2.0, 2)
    # Nothing was reported of their steps: sums of wall time are no evidence.
    assert (first["time_ratio"], verdict["mean_time_ratio"]) == (None, None)
    assert found["headline"] == verdict["headline"]


def test_a_pair_of_which_one_failed_has_no_verdict(house: House) -> None:
    made = launch(house, seeds=[0])
    house.move(made["runs"][0]["id"], "completed", latest={"val/top1": 90.0})
    house.move(made["runs"][1]["id"], "failed", latest={"val/top1": 10.0})
    found = house.api.get(f"/comparisons/{made['id']}")
    assert found["verdict"] is None
    assert found["headline"] == (
        "No seed has ended with a value of every arm, so stochastic depth cannot be compared with the baseline."
    )


class TestSideBySide:
    def test_shows_settings_that_differ_and_results(self, house: House) -> None:
        first = house.api.launch(lr=0.1)
        second = house.api.launch(lr=0.2, sd=True)
        house.move(first, "completed", best_top1=90.0, latest={"val/top1": 89.0}, facts={"parameters": 7})
        shown = house.api.get("/compare", runs=f"{first},{second}")
        assert [run["id"] for run in shown["runs"]] == [first, second]
        assert shown["differences"] == [
            {"field": "sd", "label": "Stochastic depth", "values": {first: False, second: True}},
            {"field": "lr", "label": "Learning rate", "values": {first: 0.1, second: 0.2}},
        ]
        results = {row["name"]: row for row in shown["results"]}
        assert results["best val/top1"]["values"] == {first: 90.0, second: None}
        assert (results["best val/top1"]["unit"], results["best val/top1"]["better"]) == ("%", "higher")
        assert results["parameters"]["values"] == {first: 7, second: None}
        assert "train/loss" not in results

    def test_what_is_there_is_shown_and_what_is_missing_is_named(self, house: House) -> None:
        kept, deleted = house.api.launch(), house.api.launch()
        house.client.delete(f"/api/v1/runs/{deleted}")
        shown = house.api.get("/compare", runs=f"r_nothing,{kept},{deleted},\0")
        assert [run["id"] for run in shown["runs"]] == [kept]
        assert shown["missing"] == ["r_nothing", deleted, "\0"]
        assert house.api.get("/compare", runs=kept)["missing"] == []

    def test_where_none_is_there_it_says_so(self, house: House) -> None:
        answer = house.client.get("/api/v1/compare", params={"runs": "r_one,r_two"})
        assert answer.status_code == 404
        assert answer.json()["detail"] == "none of these runs exist: 'r_one', 'r_two'"

    def test_none_is_the_better_by_chance_or_where_better_is_not_defined(self, house: House) -> None:
        """Compute is decided by the gates that were drawn, speed and time by what else the machine did."""
        runs = [house.api.launch(sd=True), house.api.launch(sd=True)]
        for run_id in runs:
            house.points(
                run_id, range(1, 40), sd_compute=lambda _: 0.7, train_loss=float, images_per_second=lambda _: 9.0
            )
            house.points(run_id, range(39, 40), val_top1=float, val_loss=float)
            house.move(run_id, "completed", elapsed_seconds=9.0, steps_per_epoch=10)
        results = house.api.get("/compare", runs=runs)["results"]
        assert {row["name"]: row["better"] for row in results if row["better"]} == {
            "best val/top1": "higher",
            "val/top1": "higher",
            "val/loss": "lower",
        }
        assert {"sd/compute", "images_per_second", "step_milliseconds", "elapsed_seconds"} <= {
            row["name"] for row in results
        }

    def test_of_the_runs_of_one_comparison_the_verdict_tells_which_is_better(self, house: House) -> None:
        ids = [run["id"] for run in launch(house, seeds=[0])["runs"]]
        for run_id, top1 in zip(ids, (90.0, 91.0), strict=True):
            house.move(run_id, "completed", latest={"val/top1": top1}, best_top1=top1)
        results = house.api.get("/compare", runs=ids)["results"]
        assert [row["better"] for row in results if row["name"] == "val/top1"] == [None]

    def test_ids_may_be_repeated_or_separated_by_commas(self, house: House) -> None:
        first, second = house.api.launch(), house.api.launch()
        apart = house.api.get("/compare", runs=[second, first, second])
        together = house.api.get("/compare", runs=f"{second}, {first}")
        assert [run["id"] for run in apart["runs"]] == [second, first]
        assert apart == together
        assert apart["differences"] == []


def test_only_the_next_in_line_is_rung_by_the_api(house: House, redis_client: redis.Redis) -> None:
    """All others are rung by the controller, which gives devices in the order of the queue."""
    empty_queue(house)
    pair = launch(house, mode="parallel")["runs"]
    later = house.api.launch()
    wait_until(lambda: redis_client.get(run_key(later)), what="its key to be published")
    assert rung(redis_client) == [pair[0]["id"]]
    for run in pair:
        house.move(run["id"], "running")
    house.api.post(f"/runs/{later}/pause")
    house.api.post(f"/runs/{later}/resume")
    wait_until(lambda: redis_client.llen(TRAIN_QUEUE), what="its ring")
    assert rung(redis_client) == [later]


def test_nobody_is_rung_in_the_place_of_one_that_waits_for_a_training(house: House, redis_client: redis.Redis) -> None:
    empty_queue(house)
    baseline, _twin = launch(house)["runs"]
    wait_until(lambda: rung(redis_client) == [baseline["id"]], what="the ring of the first")
    house.move(baseline["id"], "running")
    redis_client.flushall()
    later = house.api.launch()
    wait_until(lambda: redis_client.get(run_key(later)), what="its key to be published")
    assert rung(redis_client) == []


def empty_queue(house: House) -> None:
    for run in house.api.get("/queue")["items"]:
        house.move(run["id"], "stopped")


def rung(client: redis.Redis) -> list[str]:
    """Whose rings lie in the queue; it is empty afterwards."""
    rings = [json.loads(read_ring(element.encode())) for element in reversed(client.lrange(TRAIN_QUEUE, 0, -1))]
    client.delete(TRAIN_QUEUE)
    return [ring["run_id"] for ring in rings]
