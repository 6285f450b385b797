"""Datasets: the built-in kinds, and folders that were given a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.datasets import queries, service
from tests.api.house import House
from worker.contract.datasets import DATASETS

SIGNS = {"name": "street-signs", "title": "Street signs", "dataset": "imagefolder", "data_dir": "/data/signs"}

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"name": "Street Signs"}, "name", "name 'Street Signs': take lower case letters and digits"),
    ({"name": ""}, "name", "take lower case letters"),
    ({"name": "-signs"}, "name", "take lower case letters"),
    ({"name": "signs\n"}, "name", "take lower case letters"),
    ({"name": "ünder"}, "name", "take lower case letters"),
    ({"name": "a/../b"}, "name", "take lower case letters"),
    ({"name": "x" * 65}, "name", "at most 64"),
    ({"name": 5}, "name", "5"),
    ({"title": "x" * 201}, "title", "at most 200"),
    ({"title": "a\0b"}, "title", "control character"),
    ({"dataset": "mnist"}, "dataset", "'mnist'"),
    ({"dataset": "digits"}, "dataset", "'digits' comes without a folder; register one of cifar10"),
    ({"data_dir": "signs"}, "data_dir", "data_dir 'signs' is not an absolute path; begin it with /"),
    ({"data_dir": "/a\0b"}, "data_dir", "the control character U+0000 at character 3 is not allowed"),
    ({"data_dir": "/" + "x" * 5000}, "data_dir", "at most 4096"),
    ({"data_dir": None}, "data_dir", "null"),
    ({"root": "/data"}, "root", "there is no field 'root' here"),
]


def register(house: House, **changes: Any) -> Any:
    return house.api.post("/datasets", SIGNS | changes, status=201)


def registered(house: House) -> list[Any]:
    return [item for item in house.api.get("/datasets")["items"] if item["registered"]]


def test_built_in_ones_come_first_and_need_no_folder_to_be_listed(house: House) -> None:
    register(house, name="a-first-name")
    items = house.api.get("/datasets")["items"]
    assert [item["name"] for item in items] == [*DATASETS, "a-first-name"]
    assert [item["registered"] for item in items] == [False] * len(DATASETS) + [True]
    for item in items[:-1]:
        assert (item["dataset"], item["data_dir"]) == (item["name"], None)


def test_a_folder_gets_a_name(house: House) -> None:
    answer = house.client.post("/api/v1/datasets", json=SIGNS)
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/datasets/street-signs"
    made = answer.json()
    assert made == house.api.get("/datasets/street-signs") == registered(house)[0]
    assert {name: made[name] for name in SIGNS} == SIGNS
    assert (made["registered"], made["classes"], made["train_images"], made["needs_data_dir"]) == (
        True,
        None,
        None,
        True,
    )


def test_without_a_title_it_is_called_by_its_name(house: House) -> None:
    body = {name: value for name, value in SIGNS.items() if name != "title"}
    assert house.api.post("/datasets", body, status=201)["title"] == "street-signs"


def test_a_registered_cifar_has_the_facts_of_its_kind(house: House) -> None:
    made = register(house, dataset="cifar100", data_dir="/data/cifar")
    assert (made["train_images"], made["classes"], made["side"]) == (50_000, 100, 32)


class TestClasses:
    def test_are_counted_where_the_folder_is_seen(self, house: House, tmp_path: Path) -> None:
        for name in ("stop", "yield", "one way"):
            (tmp_path / "train" / name).mkdir(parents=True)
        (tmp_path / "train" / "README.txt").write_text("three signs")
        assert register(house, data_dir=str(tmp_path))["classes"] == 3

    def test_are_unknown_where_they_cannot_be_seen(self, house: House, tmp_path: Path) -> None:
        (tmp_path / "train").write_text("no folder")
        assert register(house, data_dir=str(tmp_path))["classes"] is None
        assert register(house, name="long", data_dir="/" + "x" * 3000)["classes"] is None

    def test_a_folder_full_of_files_is_not_read_to_its_end(
        self, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queries, "MOST_ENTRIES_READ", 5)
        (tmp_path / "train").mkdir()
        for number in range(6):
            (tmp_path / "train" / f"{number}.png").touch()
        assert register(house, data_dir=str(tmp_path))["classes"] is None


class TestRefusals:
    def test_bad_input_is_told_by_field(self, house: House) -> None:
        for changes, field, said in BAD:
            answer = house.client.post("/api/v1/datasets", json=SIGNS | changes)
            assert_problem(answer, 422)
            assert list(answer.json()["errors"]) == [field], changes
            assert said in answer.json()["errors"][field][0]
        assert house.client.post("/api/v1/datasets", json={}).json()["errors"].keys() == {"name", "dataset", "data_dir"}
        assert registered(house) == []

    def test_a_taken_name(self, house: House) -> None:
        register(house)
        answer = house.client.post("/api/v1/datasets", json=SIGNS | {"data_dir": "/elsewhere"})
        assert_problem(answer, 409)
        assert "'street-signs' is taken by imagefolder in /data/signs" in answer.json()["detail"]

    def test_the_name_of_a_built_in_one(self, house: House) -> None:
        answer = house.client.post("/api/v1/datasets", json=SIGNS | {"name": "cifar10"})
        assert_problem(answer, 409)
        assert "built-in" in answer.json()["detail"]
        assert_problem(house.client.delete("/api/v1/datasets/cifar10"), 409)

    @pytest.mark.parametrize("name", ["nothing", "%00", "Street%20Signs", "x" * 300])
    def test_one_that_is_not_there(self, house: House, name: str) -> None:
        assert_problem(house.client.get(f"/api/v1/datasets/{name}"), 404)
        assert_problem(house.client.delete(f"/api/v1/datasets/{name}"), 404)

    def test_more_than_are_shown_quickly(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(service, "MOST_REGISTERED", 1)
        register(house)
        answer = house.client.post("/api/v1/datasets", json=SIGNS | {"name": "another"})
        assert_problem(answer, 409)
        assert "remove one first" in answer.json()["detail"]


def assert_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_name_can_be_removed_and_given_again_and_runs_do_not_mind(house: House, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "val").mkdir()
    register(house, data_dir=str(tmp_path))
    config = {"dataset": "imagefolder", "data_dir": str(tmp_path), "depth": 50}
    run_id = house.api.launch(**config)
    assert house.client.delete("/api/v1/datasets/street-signs").status_code == 204
    assert registered(house) == []
    assert tmp_path.is_dir()
    kept = house.api.run(run_id)["config"]
    assert {name: kept[name] for name in config} == config
    register(house, data_dir="/another/folder")
    assert registered(house)[0]["data_dir"] == "/another/folder"


class TestSentTwice:
    KEY = {"Idempotency-Key": "register once"}  # noqa: RUF012

    def test_the_same_request_registers_once(self, house: House) -> None:
        first, second = (house.api.post("/datasets", SIGNS, status=201, headers=self.KEY) for _ in range(2))
        assert first == second
        assert len(registered(house)) == 1

    def test_another_request_needs_another_key(self, house: House) -> None:
        house.api.post("/datasets", SIGNS, status=201, headers=self.KEY)
        refused = house.api.post("/datasets", SIGNS | {"data_dir": "/b"}, status=422, headers=self.KEY)
        assert list(refused["errors"]) == ["Idempotency-Key"]

    def test_what_was_removed_does_not_come_back(self, house: House) -> None:
        house.api.post("/datasets", SIGNS, status=201, headers=self.KEY)
        house.client.delete("/api/v1/datasets/street-signs")
        register(house, data_dir="/another")
        refused = house.api.post("/datasets", SIGNS, status=409, headers=self.KEY)
        assert "has been deleted" in refused["detail"]
