"""The description of the interface: complete, true, and enough for a client that is generated from it."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.api.house import House

FILES = {
    "download_metrics": "text/csv",
    "get_comparison_report": "text/html",
    "download_results": "text/csv",
    "download_checkpoint": "application/octet-stream",
    "download_predictions": "application/octet-stream",
    "get_validation_image": "image/webp",
    "follow_changes": "text/event-stream",
}
#: The generator knows no kind of image, and takes it for the file that it is.
GENERATOR = """
post_hooks: []
content_type_overrides:
  image/webp: application/octet-stream
"""
WITH_BODY = {
    *("launch_run", "check_config", "act_on_runs", "edit_run", "register_dataset"),
    *("create_comparison", "preview_comparison", "edit_comparison"),
}
#: What no schema can say: settings that have to fit each other, a folder that has to be there, whose cursor it is.
REFUSES_WHAT_FITS_THE_SCHEMA = """
continue-on-failure = true
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 422, 429, "5xx"]
"""


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


@pytest.fixture
def document(house: House) -> dict[str, Any]:
    answer = house.client.get("/api/v1/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    return dict(answer.json())


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {operation["operationId"]: operation for item in document["paths"].values() for operation in item.values()}


def schemas(part: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document, however deep."""
    if isinstance(part, dict):
        yield part
        for one in part.values():
            yield from schemas(one)
    elif isinstance(part, list):
        for one in part:
            yield from schemas(one)


class TestDocument:
    def test_operations_read_as_functions(self, document: dict[str, Any]) -> None:
        names = list(operations(document))
        assert {"list_runs", "launch_run", "pause_run", "get_metrics", "create_comparison"} <= set(names)
        assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in names)
        assert not any("api" in name for name in names)

    def test_everything_is_described(self, document: dict[str, Any]) -> None:
        for name, operation in operations(document).items():
            assert operation["summary"], name
            assert operation["description"], name
            assert all(parameter["description"] for parameter in operation.get("parameters", [])), name
            assert all(answer["description"] != "Successful Response" for answer in operation["responses"].values())
        assert all(tag["description"] for tag in document["tags"])
        used = {tag for operation in operations(document).values() for tag in operation["tags"]}
        assert used == {tag["name"] for tag in document["tags"]}

    def test_every_refusal_is_the_same_problem(self, document: dict[str, Any]) -> None:
        assert set(document["components"]["schemas"]["Problem"]["required"]) == {"type", "title", "status", "detail"}
        for name, operation in operations(document).items():
            refusals = {status: answer for status, answer in operation["responses"].items() if status >= "4"}
            assert {"401", "403", "422", "500"} <= set(refusals), name
            assert ({"400", "413", "415"} <= set(refusals)) == (name in WITH_BODY), name
            assert ("404" in refusals) == ("{" in _path_of(document, name) or name == "compare_runs"), name
            for answer in refusals.values():
                (kind, content), *more = answer["content"].items()
                assert (kind, content["schema"], more) == (
                    "application/problem+json",
                    {"$ref": "#/components/schemas/Problem"},
                    [],
                )

    def test_every_conflict_is_described(self, house: House, document: dict[str, Any]) -> None:
        """No schema can say what else is there; each operation that may meet it says so, and none that does not."""
        images = {"name": "digits", "title": "", "dataset": "imagefolder", "data_dir": "/data/images"}
        known = {"Idempotency-Key": "sent again after what it made was deleted"}
        run, config = house.api.launch(), {"config": {"dataset": "digits"}}
        house.move(run, "running")
        ended = house.api.launch()
        house.move(ended, "completed")
        going_on = house.api.post("/comparisons", config | {"seeds": [0, 1]}, status=201)["id"]
        elsewhere = house.checkpoint(ended, "elsewhere.pt", root_id="another root", content=None)
        provoked = {
            "delete_run": ("DELETE", f"/runs/{run}", None),
            "pause_run": ("POST", f"/runs/{ended}/pause", None),
            "resume_run": ("POST", f"/runs/{ended}/resume", None),
            "stop_run": ("POST", f"/runs/{ended}/stop", None),
            "download_checkpoint": ("GET", f"/runs/{ended}/checkpoints/{elsewhere}/file", None),
            "remove_dataset": ("DELETE", "/datasets/digits", None),
            "register_dataset": ("POST", "/datasets", images),
            "launch_run": ("POST", "/runs", config),
            "clone_run": ("POST", f"/runs/{ended}/clone", None),
            "create_comparison": ("POST", "/comparisons", config),
            "edit_comparison": ("PATCH", f"/comparisons/{going_on}", {"seeds": [0]}),
        }
        for name in ("launch_run", "clone_run", "create_comparison"):
            method, path, body = provoked[name]
            made = house.client.request(method, f"/api/v1{path}", json=body, headers=known).json()
            for run_id in [one["id"] for one in made["runs"]] if "runs" in made else [made["id"]]:
                assert house.client.delete(f"/api/v1/runs/{run_id}").status_code == 204
        for name, (method, path, body) in provoked.items():
            answer = house.client.request(method, f"/api/v1{path}", json=body, headers=known)
            assert answer.status_code == 409, (name, answer.text)
        described = {name for name, operation in operations(document).items() if "409" in operation["responses"]}
        assert described == set(provoked)

    def test_files_are_of_their_own_kind(self, document: dict[str, Any]) -> None:
        for name, operation in operations(document).items():
            kinds = {
                kind
                for status, answer in operation["responses"].items()
                if status < "3"
                for kind in answer.get("content", {})
            }
            assert kinds == ({FILES.get(name, "application/json")} if "204" not in operation["responses"] else set())

    def test_whole_numbers_have_whole_bounds(self, document: dict[str, Any]) -> None:
        whole = [schema for schema in schemas(document) if schema.get("type") == "integer"]
        bounds = [schema[name] for schema in whole for name in schema if "imum" in name]
        assert len(bounds) > 40
        assert {type(bound) for bound in bounds} == {int}
        seed = document["components"]["schemas"]["RunConfig"]["properties"]["seed"]
        assert (seed["minimum"], seed["maximum"]) == (0, 2**63 - 1)

    def test_examples_are_taken(self, house: House, document: dict[str, Any]) -> None:
        compared = house.api.post("/comparisons", {"config": {"dataset": "digits"}}, status=201)["id"]
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if "requestBody" not in operation:
                    continue
                reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                examples = document["components"]["schemas"][reference.rpartition("/")[2]]["examples"]
                assert examples, path
                for example in examples:
                    address = path.replace("{run_id}", house.api.launch()).replace("{comparison_id}", compared)
                    if operation["operationId"] == "register_dataset":
                        house.client.delete(f"/api/v1/datasets/{example['name']}")
                    answer = house.client.request(method, address, json=example)
                    assert answer.is_success, (path, answer.text)

    def test_every_way_of_being_let_in_is_named_as_one_of_three(self, document: dict[str, Any]) -> None:
        """By its token, its cookie, or as the owner, who shows nothing; of every operation alike."""
        ways = [tuple(way) for way in document["security"]]
        assert sorted(ways) == sorted([(), *((name,) for name in document["components"]["securitySchemes"])])
        assert not [name for name, operation in operations(document).items() if "security" in operation]

    def test_the_cookie_is_the_one_that_a_browser_is_given(self, house: House) -> None:
        guarded = House(replace(house.settings, token="secret", port=8123))
        with guarded.stranger() as client:
            client.base_url = "http://127.0.0.1:8123"
            schemes = guarded.app.openapi()["components"]["securitySchemes"]
            bearer = {"Authorization": "Bearer secret"}
            assert client.get("/api/v1/runs").status_code == 401
            assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
            assert client.get("/api/v1/runs", headers=bearer).status_code == 200
            client.post("/login", data={"token": "secret"}, headers={"Origin": "http://127.0.0.1:8123"})
            assert schemes["cookie"]["in"] == "cookie"
            assert list(client.cookies) == [schemes["cookie"]["name"]]
            assert client.get("/api/v1/runs").status_code == 200


def _path_of(document: dict[str, Any], name: str) -> str:
    return next(path for path, item in document["paths"].items() if name in [o["operationId"] for o in item.values()])


class TestGeneratedClient:
    @pytest.fixture
    def generated(self, house: House, tmp_path: Path) -> Iterator[SimpleNamespace]:
        """A package that openapi-python-client wrote, with its modules by the names of the operations."""
        folder = tmp_path
        (folder / "openapi.json").write_text(json.dumps(house.app.openapi()))
        (folder / "config.yml").write_text(GENERATOR)
        command = [
            sys.executable,
            "-m",
            "openapi_python_client",
            "generate",
            "--path",
            "openapi.json",
            "--meta",
            "none",
        ]
        command += ["--output-path", "resdrop_generated", "--config", "config.yml", "--fail-on-warning"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        sys.path.insert(0, str(folder))
        yield SimpleNamespace(
            **{path.stem: _module(path, folder) for path in (folder / "resdrop_generated" / "api").glob("*/[a-z]*.py")},
            models=importlib.import_module("resdrop_generated.models"),
            Client=importlib.import_module("resdrop_generated.client").Client,
        )
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.startswith("resdrop_generated")]:
            del sys.modules[name]

    def test_is_used_against_a_running_service(self, house: House, generated: SimpleNamespace) -> None:
        models = generated.models
        with house.served() as address, generated.Client(base_url=address) as client:
            config = models.RunConfig(dataset=models.DatasetName.DIGITS, epochs=3, warmup_epochs=1, batch=64)
            body = models.NewRun(config=config, name="generated", tags=["a"])
            made = generated.launch_run.sync(client=client, body=body)
            assert isinstance(made, models.RunView)
            assert (made.name, made.status, made.tags) == ("generated", "queued", ["a"])
            page = generated.list_runs.sync(client=client, q="generated", limit=1)
            assert isinstance(page, models.RunPage)
            assert [run.id for run in page.items] == [made.id]
            paused = generated.pause_run.sync(made.id, client=client)
            assert paused.status == "paused"
            house.points(made.id, range(1, 4), train_loss=float)
            curves = generated.get_metrics.sync(made.id, client=client, names="train/loss")
            assert [(series.name, series.values) for series in curves.series] == [("train/loss", [1.0, 2.0, 3.0])]
            assert generated.download_metrics.sync(made.id, client=client).startswith("step,epoch")
            assert generated.delete_run.sync_detailed(made.id, client=client).status_code == 204

    def test_refusals_arrive_with_their_types(self, house: House, generated: SimpleNamespace) -> None:
        models = generated.models
        with house.served() as address, generated.Client(base_url=address, raise_on_unexpected_status=True) as client:
            missing = generated.get_run.sync("r_nothing", client=client)
            assert isinstance(missing, models.Problem)
            assert (missing.status, missing.title) == (404, "Not found")
            assert "r_nothing" in missing.detail
            body = models.NewRun(config=models.RunConfig(dataset=models.DatasetName.DIGITS, batch=4096))
            bad = generated.launch_run.sync(client=client, body=body)
            assert isinstance(bad, models.Problem)
            assert "lower it to 1437 or less" in bad.errors["batch"][0]
            run_id = house.api.launch()
            house.move(run_id, "running")
            conflict = generated.delete_run.sync(run_id, client=client)
            assert isinstance(conflict, models.Problem)
            assert conflict.status == 409
            cursor = generated.list_runs.sync(client=client, cursor="x")
            assert isinstance(cursor, models.Problem)
            assert list(cursor.errors.additional_properties) == ["cursor"]


def _module(path: Path, folder: Path) -> Any:
    return importlib.import_module(".".join(path.relative_to(folder).with_suffix("").parts))


def test_schemathesis_finds_nothing(house: House, tmp_path: Path) -> None:
    """All of its checks and phases, with few examples; the stream, which never ends, has tests of its own."""
    (tmp_path / "schemathesis.toml").write_text(REFUSES_WHAT_FITS_THE_SCHEMA)
    with house.served() as address:
        command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", "schemathesis.toml", "run"]
        command += [f"{address}/api/v1/openapi.json", "--checks", "all", "--max-examples", "3", "--seed", "1"]
        command += ["--exclude-operation-id", "follow_changes", "--warnings", "off", "--request-timeout", "60"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-20_000:]
    assert "Tested: 37" in done.stdout
