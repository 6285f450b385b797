"""Whatever is sent, the answer is a clear one with the field's name, and nothing is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.settings import Settings
from tests.api.house import QUICK, House
from tests.support.validation import assert_in_own_words

HUGE = 10**400

# The field that is named, and a part of what is said of it.
BAD_CONFIGS: list[tuple[dict[str, Any], str, str]] = [
    ({"epochs": 0}, "epochs", "give 1 or more"),
    ({"epochs": "many"}, "epochs", "'many'"),
    ({"epochs": 2.5}, "epochs", "2.5"),
    ({"epochs": HUGE}, "epochs", "give 10000 or less"),
    ({"epochs": None}, "epochs", "null"),
    ({"epochs": [1]}, "epochs", "[1]"),
    ({"batch": 4096}, "batch", "lower it to 1437 or less"),
    ({"batch": -1}, "batch", "give 2 or more"),
    ({"lr": float("nan")}, "lr", "finite"),
    ({"lr": float("inf")}, "lr", "finite"),
    ({"lr": 1e308}, "lr", "give 100 or less"),
    ({"lr": -0.1}, "lr", "give more than 0"),
    ({"pL": 0}, "pL", "give more than 0"),
    ({"pL": 1.1}, "pL", "give 1 or less"),
    ({"seed": 2**63}, "seed", "give 9223372036854775807 or less"),
    ({"seed": -1}, "seed", "give 0 or more"),
    ({"depth": 19}, "depth", "19"),
    ({"depth": 50, "image_size": 16}, "image_size", "take 32 or more"),
    ({"dataset": "mnist"}, "dataset", "'mnist'"),
    ({"dataset": "imagefolder"}, "data_dir", "imagefolder needs data_dir"),
    ({"dataset": "cifar10", "data_dir": "here"}, "data_dir", "not an absolute path"),
    ({"dataset": "cifar10", "data_dir": "/no/such"}, "data_dir", "there is no folder '/no/such' on this machine"),
    ({"dataset": "cifar10", "data_dir": "/x\0"}, "data_dir", "control character U+0000"),
    ({"dataset": "cifar10", "data_dir": "/" + "x" * 3000}, "data_dir", "there is no folder"),
    ({"min_lr": 1.0, "lr": 0.1}, "min_lr", "lower it below that"),
    ({"sd_mode": "column"}, "sd_mode", "'column'"),
    ({"flip": "perhaps"}, "flip", "'perhaps'"),
    ({"epoch": 3}, "epoch", "there is no setting 'epoch'"),
]

BAD_BODIES: list[tuple[Any, str, str]] = [
    ({}, "config", "config is required"),
    ({"config": None}, "config", "null"),
    ({"config": []}, "config", "[]"),
    ({"config": "x"}, "config", "'x'"),
    ({"config": QUICK, "epochs": 3}, "epochs", "there is no field 'epochs' here"),
    ({"config": QUICK, "name": "x" * 201}, "name", "at most 200"),
    ({"config": QUICK, "name": "a\0b"}, "name", "control character"),
    ({"config": QUICK, "name": "a\nb"}, "name", "control character"),
    ({"config": QUICK, "name": 5}, "name", "5"),
    ({"config": QUICK, "name": "\ud800"}, "name", "surrogate"),
    ({"config": QUICK, "tags": [f"t{n}" for n in range(21)]}, "tags", "at most 20"),
    ({"config": QUICK, "tags": ["x" * 41]}, "tags", "at most 40"),
    ({"config": QUICK, "tags": [""]}, "tags", "at least 1"),
    ({"config": QUICK, "tags": "a"}, "tags", "'a'"),
    ({"config": QUICK, "tags": ["a\0"]}, "tags", "control character"),
    ({"config": QUICK, "notes": "x" * 20_001}, "notes", "at most 20000"),
    ({"config": QUICK, "notes": "\0"}, "notes", "control character"),
]

BAD_COMPARISONS: list[tuple[dict[str, Any], str, str]] = [
    ({"seeds": []}, "seeds", "no seed is named"),
    ({"seeds": ""}, "seeds", "no seed is named"),
    ({"seeds": [0, 0]}, "seeds", "seed 0 is named twice; leave one out"),
    ({"seeds": "0, 0-2"}, "seeds", "seed 0 is named twice; leave one out"),
    ({"seeds": list(range(51))}, "seeds", "51 seeds are named and a comparison has at most 50; name fewer"),
    ({"seeds": "0-999999999"}, "seeds", "1000000000 seeds are named"),
    ({"seeds": [-1]}, "seeds", "seed '-1' is neither a whole number of 0 or more nor a range of them"),
    ({"seeds": "0:4"}, "seeds", "seed '0:4' is neither"),
    ({"seeds": "4-0"}, "seeds", "the range 4-0 of seeds ends before it begins; write 0-4"),
    ({"seeds": [2**64]}, "seeds", "exceeds 9223372036854775807; give that or less"),
    ({"seeds": 3}, "seeds", "seeds 3 names none; send a list of whole numbers"),
    ({"seeds": None}, "seeds", "seeds null names none"),
    ({"seeds": [True]}, "seeds", "seed 'true' is neither"),
    ({"name": "x" * 201}, "name", "name has 201 characters; give at most 200"),
    ({"mode": "fast"}, "mode", "'fast'"),
    ({"factor": "lr"}, "factor", "there is no field 'factor' here"),
    ({"config": {"epochs": 0}}, "epochs", "give 1 or more"),
]

BAD_QUERIES: list[tuple[str, str, str]] = [
    ("/runs?limit=0", "limit", "give 1 or more"),
    ("/runs?limit=501", "limit", "give 500 or less"),
    ("/runs?limit=x", "limit", "'x'"),
    (f"/runs?limit={HUGE}", "limit", "give 500 or less"),
    ("/runs?cursor=x", "cursor", "cursor is not one of this list"),
    ("/runs?cursor=bnVsbA", "cursor", "cursor is not one of this list"),
    ("/runs?sort=-created_at&cursor=WyItY3JlYXRlZF9hdCIsIDUsICJ4Il0", "cursor", "cursor is not one of this list"),
    ("/runs?sort=colour", "sort", "unknown sort 'colour'; choose from created_at, name"),
    ("/runs?status=dead", "status", "unknown status 'dead'; choose from queued"),
    ("/runs?status=,", "status", "unknown status ','"),
    ("/runs?stat=dead", "stat", "there is no field 'stat' here"),
    ("/runs?q=%00", "q", "does not have the form"),
    ("/runs?tag=%00", "tag", "does not have the form"),
    ("/compare?runs=", "runs", "name 1 to 100"),
    ("/compare", "runs", "runs is required"),
    ("/runs/RUN/metrics?x=colour", "x", "'colour'"),
    ("/runs/RUN/metrics?max_points=3", "max_points", "give 10 or more"),
    ("/runs/RUN/metrics?since=-1", "since", "give 0 or more"),
    ("/runs/RUN/metrics?names=%00", "names", "has no metric '\\x00'"),
    ("/runs/RUN/metrics?names=", "names", "names is empty"),
    ("/runs/RUN/metrics?names=,", "names", "names is empty"),
    ("/runs/RUN/metrics?names=val/top1,val/top7", "names", "the run has no metric 'val/top7'"),
    ("/live?since=garbage", "since", "is no change"),
    ("/live?since=", "since", "is no change"),
    ("/live?since=-1", "since", "is no change"),
    ("/live?since=%D9%A1", "since", "is no change"),
    (f"/live?since={'9' * 30}", "since", "is no change"),
    ("/runs?limit=1_0", "limit", "limit '1_0' is not a whole number"),
    ("/runs?limit=%2B1", "limit", "limit '+1' is not a whole number"),
    ("/runs?limit=%201", "limit", "limit ' 1' is not a whole number"),
    ("/comparisons?limit=1_0", "limit", "limit '1_0' is not a whole number"),
    ("/runs/RUN/logs?after=0_1", "after", "after '0_1' is not a whole number"),
    ("/runs/RUN/metrics?max_points=1_0", "max_points", "is not a whole number"),
    ("/runs?q=%FF", "query", "no UTF-8"),
    ("/runs?tag=%ED%A0%80", "query", "no UTF-8"),
    ("/live?runs=%00", "runs", "is no id of a run"),
    ("/live?runs=[]", "runs", "'[]' is no id of a run"),
    ("/live?runs=*,r_x", "runs", "or * alone"),
    ("/runs/RUN/logs?after=-1", "after", "give 0 or more"),
    ("/runs/RUN/logs?limit=0", "limit", "give 1 or more"),
    ("/live?runs=" + ",".join("r" for _ in range(201)), "runs", "watch 200 or fewer"),
]

MISSING = [
    "/runs/r_nothing",
    "/runs/%00",
    "/runs/" + "x" * 500,
    "/runs/r_nothing/metrics",
    "/runs/r_nothing/metrics.csv",
    "/runs/r_nothing/logs",
    "/runs/r_nothing/events",
    "/runs/r_nothing/checkpoints",
    "/runs/r_nothing/checkpoints/1/file",
    "/runs/RUN/checkpoints/0/file",
    "/runs/RUN/checkpoints/99999999999999999999/file",
    "/runs/RUN/checkpoints/x/file",
    "/runs/RUN/checkpoints/%D9%A1/file",
    "/comparisons/c_nothing",
    "/comparisons/%00",
    "/compare?runs=r_nothing",
    "/nothing",
    "/",
]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def house(
    request: pytest.FixtureRequest, redis_socket: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """One for all of them: none may change anything."""
    home = tmp_path_factory.mktemp("home")
    url = request.getfixturevalue("new_database")(request.param)
    house = House(Settings(home=home, database_url=url, redis_url=f"unix://{redis_socket}?db=0", files=home / "files"))
    with house.client:
        house.api.launch(name="the only one")
        yield house


@pytest.fixture(autouse=True)
def nothing_changes(house: House) -> Iterator[None]:
    before = house.api.get("/runs")
    yield
    assert house.api.get("/runs") == before
    assert house.api.get("/comparisons")["items"] == []


def run_id(house: House) -> str:
    return str(house.api.get("/runs")["items"][0]["id"])


def send(house: House, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
    """Python's JSON, which unlike JavaScript's can say NaN."""
    content = json.dumps(body) if body is not None else None
    headers = {"Content-Type": "application/json"} if body is not None else {}
    return house.client.request(method, f"/api/v1{path}", content=content, headers=headers, **options)


def assert_refused(answer: httpx.Response, field: str, said: str) -> None:
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert list(problem["errors"]) == [field]
    assert said in " ".join(problem["errors"][field])
    assert_in_own_words(answer.text)
    assert problem["status"] == 422
    assert problem["type"] == "urn:resdrop:problem:bad-input"


def test_settings(house: House) -> None:
    for config, field, said in BAD_CONFIGS:
        for path in ("/runs", "/runs/check", "/comparisons"):
            assert_refused(send(house, "POST", path, {"config": QUICK | config}), field, said)


def test_every_bad_setting_is_told_at_once(house: House) -> None:
    errors = send(house, "POST", "/runs", {"config": {"epochs": 0, "batch": 1, "x": 1}, "name": 3}).json()["errors"]
    assert set(errors) == {"epochs", "batch", "x", "name"}


def test_bodies_of_a_run(house: House) -> None:
    for body, field, said in BAD_BODIES:
        assert_refused(send(house, "POST", "/runs", body), field, said)


def test_bodies_of_a_comparison(house: House) -> None:
    for body, field, said in BAD_COMPARISONS:
        assert_refused(send(house, "POST", "/comparisons", {"config": QUICK} | body), field, said)


def test_a_check_tells_of_name_tags_notes_and_seeds_too(house: House) -> None:
    told = [*BAD_BODIES, *(bad for bad in BAD_COMPARISONS if bad[1] in ("name", "seeds", "epochs"))]
    for body, field, said in told:
        assert_refused(send(house, "POST", "/runs/check", {"config": QUICK} | body if body else body), field, said)
    whole = {"config": QUICK, "name": "a", "tags": ["b"], "notes": "c", "seeds": "0-4"}
    assert send(house, "POST", "/runs/check", whole).status_code == 200


def test_edits(house: House) -> None:
    path = f"/runs/{run_id(house)}"
    assert_refused(send(house, "PATCH", path, {"name": ""}), "name", "at least 1")
    assert_refused(send(house, "PATCH", path, {"name": "  "}), "name", "at least 1")
    assert_refused(send(house, "PATCH", path, {"config": {}}), "config", "there is no field 'config' here")
    assert_refused(send(house, "PATCH", path, {"status": "completed"}), "status", "there is no field 'status' here")


def test_actions(house: House) -> None:
    assert_refused(send(house, "POST", "/runs/actions", {"action": "explode", "ids": ["x"]}), "action", "'explode'")
    assert_refused(send(house, "POST", "/runs/actions", {"action": "stop", "ids": []}), "ids", "at least 1")
    assert_refused(send(house, "POST", "/runs/actions", {"action": "stop"}), "ids", "ids is required")
    many = {"action": "stop", "ids": ["x"] * 501}
    assert_refused(send(house, "POST", "/runs/actions", many), "ids", "at most 500")
    odd = send(house, "POST", "/runs/actions", {"action": "stop", "ids": ["\0", "../x", "ä"]})
    assert odd.status_code == 202
    assert not any(item["ok"] for item in odd.json()["items"])


def test_queries(house: House) -> None:
    for path, field, said in BAD_QUERIES:
        assert_refused(send(house, "GET", path.replace("RUN", run_id(house))), field, said)


ODD_TEXTS = ["", "x", "-1", "0", "1.5", "1e999", "9" * 400, "null", "a" * 5000, "%00", "%ED%A0%80", ","]
ODD_VALUES: list[Any] = [None, True, -1, 0, 1.5, 10**30, float("nan"), "", "x", "x" * 25_000, "\ud800", [], [None], {}]


def test_no_parameter_is_refused_in_pydantics_words(house: House) -> None:
    for path, operation in operations(house, "get"):
        for parameter in operation.get("parameters", []):
            if parameter["in"] != "query":
                continue
            for text in ODD_TEXTS:
                assert_told_in_own_words(send(house, "GET", f"{path}?{parameter['name']}={text}"))
        assert_told_in_own_words(send(house, "GET", f"{path}?nothing_of_the_kind=1"))


def test_no_body_is_refused_in_pydantics_words(house: House) -> None:
    for method in ("post", "patch"):
        for path, operation in operations(house, method):
            for body in bodies(house, operation):
                assert_told_in_own_words(send(house, method.upper(), path, body))


def operations(house: House, method: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Those that the description of the interface has, but for the stream; every id in a path is one of nothing."""
    for path, methods in house.app.openapi()["paths"].items():
        if method in methods and not path.endswith("/live"):
            yield re.sub(r"\{\w+\}", "nothing", path.removeprefix("/api/v1")), methods[method]


def bodies(house: House, operation: dict[str, Any]) -> Iterator[Any]:
    """Nothing at all, what is no object, and for each field odd values of it; none is one that would be accepted."""
    if "requestBody" not in operation:
        return
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    fields = house.app.openapi()["components"]["schemas"][reference.rsplit("/", 1)[-1]]["properties"]
    yield from (odd for odd in ODD_VALUES if not isinstance(odd, dict | None))
    yield from ({field: odd, "nothing_of_the_kind": 1} for field in fields for odd in ODD_VALUES)


def assert_told_in_own_words(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert_in_own_words(answer.text)


def test_what_is_not_there(house: House) -> None:
    for path in MISSING:
        answer = send(house, "GET", path.replace("RUN", run_id(house)))
        assert answer.status_code == 404, path
        assert answer.headers["Content-Type"] == "application/problem+json"
    for command in ("pause", "resume", "stop", "clone"):
        assert send(house, "POST", f"/runs/r_nothing/{command}").status_code == 404
    assert send(house, "DELETE", "/runs/r_nothing").status_code == 404
    assert send(house, "PATCH", "/runs/%00", {"name": "x"}).status_code == 404


def test_bodies_that_are_no_json(house: House) -> None:
    def post(content: bytes | Iterator[bytes], kind: str | None = "application/json") -> tuple[int, str]:
        headers = {"Content-Type": kind} if kind else {}
        answer = house.client.post("/api/v1/runs", content=content, headers=headers)
        return answer.status_code, answer.json()["detail"]

    assert post(b"{") == (
        400,
        "The body is not JSON: it cannot be read from character 1 on.",
    )
    assert post(b"\xff")[0] == 400
    assert post(b'{"config": {"epochs": ' + b"9" * 5000 + b"}}")[0] == 400
    assert post(b"[" * 100_000)[0] == 400
    assert post(b"config=1", "application/x-www-form-urlencoded")[0] == 415
    assert post(b'{"config": {}}', "text/plain")[0] == 415
    assert post(b'{"config": {}}', None)[0] == 415
    assert post(b"")[0] == 422
    large = b'{"notes": "' + b"x" * 1_000_001 + b'"}'
    assert post(large) == (413, "The body is too large; send 1,000,000 bytes or fewer.")
    assert post(iter([large[:500_000], large[500_000:]]))[0] == 413


def test_idempotency_keys(house: House) -> None:
    for key in ("", "x" * 201, "a\tb", b"\xff"):
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        answer = house.client.post("/api/v1/runs", content=json.dumps({"config": {"epochs": 6}}), headers=headers)
        assert answer.status_code == 422, key
        assert list(answer.json()["errors"]) == ["Idempotency-Key"]


def test_methods(house: House) -> None:
    answer = send(house, "PUT", "/runs", {})
    assert answer.status_code == 405
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Allow"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["epochs", "batch", "lr", "pL", "seed", "depth", "dataset", "data_dir", "flip", "x\0"])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=JSON | st.fixed_dictionaries({"config": st.dictionaries(FIELDS, JSON, max_size=4)}))
def test_no_json_makes_an_internal_error(house: House, body: Any) -> None:
    answer = send(house, "POST", "/runs/check", body if body is not None else {})
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 422:
        assert answer.json()["errors"]


@pytest.mark.parametrize("action", ["pause", "resume", "stop", "clone"])
@pytest.mark.parametrize("body", ['{"name": "mine"}', "[", "5", "dry_run=true"])
def test_a_body_that_nobody_reads_is_refused_and_nothing_is_done(house: House, action: str, body: str) -> None:
    path = f"/api/v1/runs/{run_id(house)}/{action}"
    answer = house.client.post(path, content=body)
    assert answer.status_code == 422
    assert f"POST {path} takes no body; send none" in answer.json()["detail"]


def test_nor_is_one_of_a_deletion_or_a_question(house: House) -> None:
    for method in ("DELETE", "GET"):
        answer = house.client.request(method, f"/api/v1/runs/{run_id(house)}", json={"dry_run": True})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["body"])


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ([("Idempotency-Key", "a"), ("Idempotency-Key", "b")], 422, "the header Idempotency-Key is there 2 times"),
        ([("Content-Type", "application/json"), ("Content-Type", "text/plain")], 422, "Content-Type is there 2 times"),
        ([("Content-Encoding", "gzip")], 415, "Content-Encoding 'gzip' is not read"),
        ([("Content-Type", "application/json; charset=utf-16")], 415, "The charset 'utf-16' is not read"),
    ],
)
def test_a_header_that_would_be_passed_over_is_refused(
    house: House, headers: list[tuple[str, str]], status: int, said: str
) -> None:
    named = {name for name, _ in headers}
    sent = headers + ([] if "Content-Type" in named else [("Content-Type", "application/json")])
    answer = house.client.post("/api/v1/runs", content=json.dumps({"config": QUICK}), headers=sent)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True)
