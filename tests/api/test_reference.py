"""Settings, presets, datasets, workers, health, and the description of the interface itself."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import QUICK, House
from worker.contract import VERSION
from worker.contract.config import GROUPS, RunConfig
from worker.contract.datasets import DATASETS
from worker.contract.names import Metric


@pytest.fixture
def database_url(new_database: Callable[[str], str]) -> str:
    return new_database("sqlite")


def test_the_schema_describes_every_setting(house: House) -> None:
    answer = house.api.get("/schema")
    properties = answer["schema"]["properties"]
    assert list(properties) == list(RunConfig.model_fields)
    assert answer["groups"] == list(GROUPS)
    assert answer["metrics"] == [metric.value for metric in Metric]
    for name, setting in properties.items():
        assert {"group", "label", "unit", "advanced", "default", "description"} <= set(setting), name
        assert {"type", "anyOf"} & set(setting), name
    assert properties["dataset"]["enum"] == [name.value for name in DATASETS]
    assert properties["depth"]["type"] == "integer"
    assert properties["epochs"]["maximum"] == 10_000
    assert "$ref" not in json.dumps(answer)


def test_presets_and_datasets_fit_the_schema(house: House) -> None:
    presets = house.api.get("/presets")["items"]
    assert presets[0]["name"] == "demo"
    for preset in presets:
        RunConfig.model_validate(preset["config"])
    datasets = {dataset["name"]: dataset for dataset in house.api.get("/datasets")["items"]}
    assert datasets["digits"]["train_images"] == 1437
    assert datasets["imagefolder"]["needs_data_dir"]


class TestCheck:
    def check(self, house: House, **config: Any) -> Any:
        return house.api.post("/runs/check", {"config": config}, status=200)

    def test_a_device_that_no_worker_has_is_told_of_beforehand(self, house: House) -> None:
        assert self.check(house, **QUICK, device="cuda")["warnings"] == [], "without any worker nothing follows"
        house.worker("w1", devices=["cpu:0"], free_devices=[])
        said = "no worker that is connected now has a GPU; the run will wait"
        assert self.check(house, **QUICK, device="cuda")["warnings"] == [said]
        for device in ("auto", "cpu"):
            assert self.check(house, **QUICK, device=device)["warnings"] == []
        house.worker("w2", devices=["cuda:0"], free_devices=[])
        assert self.check(house, **QUICK, device="cuda")["warnings"] == []

    def test_the_images_by_which_steps_are_counted_are_named(self, house: House, tmp_path: Path) -> None:
        assert self.check(house, **QUICK)["derived"]["training_images"] == 1437
        for part in ("train", "val"):
            (tmp_path / part).mkdir()
        folder = {"data_dir": str(tmp_path), "depth": 50, "batch": 256}
        assert self.check(house, dataset="imagenet", **folder)["derived"]["training_images"] == 1_281_167
        assert self.check(house, dataset="imagefolder", **folder)["derived"]["training_images"] is None

    def test_says_what_the_defaults_come_to(self, house: House) -> None:
        checked = self.check(house, batch=128, epochs=4, warmup_epochs=1)
        assert checked["derived"] == {"lr": 0.05, "image_size": 32, "flip": False} | {
            "training_images": 1437,
            "steps_per_epoch": 11,
            "steps": 44,
        }
        assert checked["config"]["warmup_epochs"] == 1
        assert checked["warnings"] == []

    def test_warns(self, house: House) -> None:
        assert any("warmup_epochs" in warning for warning in self.check(house, epochs=2)["warnings"])

    def test_folders_are_looked_for(self, house: House, tmp_path: Path) -> None:
        config = {"dataset": "imagefolder", "data_dir": str(tmp_path / "images"), "depth": 50}
        missing = house.api.post("/runs/check", {"config": config}, status=422)
        assert "there is no folder" in missing["errors"]["data_dir"][0]
        (tmp_path / "images" / "train").mkdir(parents=True)
        missing = house.api.post("/runs/check", {"config": config}, status=422)
        assert f"there is no folder '{tmp_path}/images/val'" in missing["errors"]["data_dir"][0]
        del config["dataset"]
        assert house.api.post("/runs/check", {"config": config}, status=422) == missing
        (tmp_path / "images" / "cifar-10-batches-py").mkdir()
        remedy = house.api.post("/runs/check", {"config": config}, status=422)["errors"]["data_dir"][0]
        assert remedy.endswith("it holds cifar-10-batches-py, so take dataset cifar10")
        (tmp_path / "images" / "val").mkdir()
        assert self.check(house, **config)["derived"]["steps"] is None

    def test_a_worker_elsewhere_may_have_the_folder(self, house: House) -> None:
        house.worker(host="another machine")
        checked = self.check(house, dataset="cifar10", data_dir="/only/there")
        assert "a worker on another machine may have it" in checked["warnings"][-1]


def test_workers_live_while_they_are_heard(house: House) -> None:
    now = datetime.now(UTC)
    house.worker("silent", seen_at=now - timedelta(seconds=60))
    house.worker("gone", gone=True)
    house.worker("there", devices=["cuda:0", "cuda:1"], free_devices=["cuda:1"], holding=["r_x"])
    house.worker("long ago", seen_at=now - timedelta(days=2))
    workers = house.api.get("/workers")["items"]
    assert [(worker["id"], worker["alive"]) for worker in workers] == [
        ("there", True),
        ("gone", False),
        ("silent", False),
    ]
    assert (workers[0]["free_devices"], workers[0]["holding"]) == (["cuda:1"], ["r_x"])


class TestHealth:
    def test_all_is_well(self, house: House) -> None:
        house.worker()
        house.pulse()
        house.api.launch()
        health = house.api.get("/health")
        assert (health["status"], health["database"], health["redis"]) == ("ok", "ok", "ok")
        assert (health["controller"]["alive"], health["workers"], health["change"]) == (True, 1, 1)
        assert health["version"] == VERSION

    def test_names_what_is_missing(self, house: House, tmp_path: Path) -> None:
        alone = House(replace(house.settings, redis_url=f"unix://{tmp_path}/nobody.sock?db=0"))
        with alone.client:
            health = alone.api.get("/health")
        assert (health["status"], health["database"]) == ("degraded", "ok")
        assert "nobody.sock" in health["redis"]
        assert (health["controller"]["alive"], health["workers"]) == (False, 0)


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION


def test_the_interface_describes_itself(house: House) -> None:
    described = house.api.get("/openapi.json")
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len(operations) >= 28
    assert all(operation["summary"] and operation["tags"] for operation in operations)
    assert "/api/v1/runs/{run_id}/pause" in described["paths"]
    assert described["paths"]["/api/v1/runs"]["post"]["responses"]["422"]["content"]
    assert house.client.get("/docs").headers["Content-Type"].startswith("text/html")
