"""The first thing a newcomer runs: the demo preset as a baseline and its twin with stochastic depth."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.service import Service


@pytest.fixture(scope="module")
def comparison(service: Service) -> dict[str, Any]:
    presets = service.api.get("/presets").json()["items"]
    (demo,) = [preset for preset in presets if preset["name"] == "demo"]
    answer = service.api.post("/comparisons", json={"config": demo["config"], "seeds": [0], "mode": "sequential"})
    assert answer.status_code == 201, answer.text
    created = answer.json()
    for run in created["runs"]:
        service.wait_for_status(run["id"], "completed", seconds=600)
    return dict(service.api.get(f"/comparisons/{created['id']}").json())


@pytest.mark.fault
def test_the_demo_reaches_its_accuracy_in_the_last_epoch(service: Service, comparison: dict[str, Any]) -> None:
    last = {run["arm"]: service.run(run["id"])["latest"]["val/top1"] for run in comparison["runs"]}
    assert last["baseline"] >= 98
    assert last["sd"] >= 95


@pytest.mark.fault
def test_twins_differ_in_stochastic_depth_alone(service: Service, comparison: dict[str, Any]) -> None:
    ids = ",".join(run["id"] for run in comparison["runs"])
    differences = service.api.get("/compare", params={"runs": ids}).json()["differences"]
    assert [item["field"] for item in differences] == ["sd"]


@pytest.mark.fault
def test_stochastic_depth_ran_fewer_blocks(service: Service, comparison: dict[str, Any]) -> None:
    (sd,) = [run["id"] for run in comparison["runs"] if run["arm"] == "sd"]
    depths = [depth for depth in service.series(sd, "sd/depth").values() if depth is not None]
    # ResNet-20 has 9 blocks; the expected depth at pL 0.5 is 9 - 0.5 * (1 + ... + 9) / 9 = 6.5.
    assert 6.0 < sum(depths) / len(depths) < 7.0
    assert max(depths) <= 9


@pytest.mark.fault
def test_the_verdict_names_the_pair(comparison: dict[str, Any]) -> None:
    (pair,) = comparison["verdict"]["pairs"]
    assert pair["seed"] == 0
    assert pair["difference"] == pytest.approx(pair["sd"]["last_top1"] - pair["baseline"]["last_top1"])
