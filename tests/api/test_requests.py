"""Methods and parameters: what an address takes is said, and what it doesn't take is never passed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from backend.app import ROUTERS
from backend.parameters import query_parameters
from tests.api.house import HOST, House
from tests.api.test_predictions import kept

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def operations(house: House) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in house.app.openapi()["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


def real(path: str, house: House) -> str:
    """An address that there is."""
    comparison = house.api.post("/comparisons", {"config": {"dataset": "digits"}}, status=201)
    run_id = comparison["runs"][0]["id"]
    house.mount_root()
    house.checkpoint(run_id, f"{run_id}.pt")
    checkpoint = house.api.get(f"/runs/{run_id}/checkpoints")["items"][0]["id"]
    kept(house, run_id, [0])
    named = {"run_id": run_id, "comparison_id": comparison["id"], "checkpoint_id": checkpoint, "name": "digits"}
    return path.format(**named, index=0)


class TestParameters:
    def test_one_that_is_not_known_is_refused_everywhere(self, house: House) -> None:
        for path, method, _ in operations(house):
            answer = house.client.request(method, real(path, house), params={"colour": "red"}, json={})
            assert answer.status_code == 422, (method, path, answer.text)
            assert "there is no field 'colour' here" in answer.json()["errors"]["colour"][0]

    def test_one_that_is_there_twice_is_refused_everywhere(self, house: House) -> None:
        for path, method, operation in operations(house):
            for parameter in operation.get("parameters", []):
                if parameter["in"] != "query" or parameter["schema"].get("type") == "array":
                    continue
                name = parameter["name"]
                answer = house.client.request(method, f"{real(path, house)}?{name}=1&{name}=1")
                assert answer.status_code == 422, (method, path, name)
                assert answer.json()["errors"][name] == [f"{name} is there 2 times; give it once"]

    def test_several_runs_may_be_compared(self, house: House) -> None:
        runs = house.api.post("/comparisons", {"config": {"dataset": "digits"}}, status=201)["runs"]
        answer = house.client.get("/api/v1/compare?" + "&".join(f"runs={run['id']}" for run in runs))
        assert len(answer.json()["runs"]) == 2

    def test_what_is_refused_and_what_is_described_are_the_same(self, house: House) -> None:
        described = {
            operation["operationId"]: {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}
            for _, _, operation in operations(house)
        }
        routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
        taken = {
            route.operation_id: set(query_parameters(route.endpoint)) for route in routes if route.include_in_schema
        }
        assert taken == described

    def test_the_description_takes_none(self, house: House) -> None:
        assert house.client.get("/api/v1/openapi.json?x=1").status_code == 422


class TestKeys:
    """JSON readers take the last of two members of one name, and tell nobody."""

    JSON = {"Content-Type": "application/json"}  # noqa: RUF012

    def test_one_that_is_there_twice_is_refused_everywhere(self, house: House) -> None:
        with_body = [(path, method) for path, method, operation in operations(house) if "requestBody" in operation]
        assert len(with_body) >= 6
        for path, method in with_body:
            text = '{"config": {"depth": 50, "depth": 20}, "name": "a", "name": "b", "name": "c"}'
            answer = house.client.request(method, real(path, house), content=text, headers=self.JSON)
            assert answer.status_code == 422, (method, path, answer.text)
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["errors"] == {
                "depth": ["'depth' is there 2 times in config; give it once"],
                "name": ["'name' is there 3 times in the body; give it once"],
            }

    @pytest.mark.parametrize(
        ("text", "named", "sentence"),
        [
            (r'{"config": {"se\u0065d": 1, "seed": 1}}', "seed", "'seed' is there 2 times in config; give it once"),
            ('{"tags": [{"a": 1, "a": 1}]}', "tags[0].a", "'a' is there 2 times in tags[0]; give it once"),
            ('[[], {"a": 1, "a": 1}]', "[1].a", "'a' is there 2 times in [1]; give it once"),
            (r'{"\ud800": 1, "\ud800": 2}', "\ud800", r"'\ud800' is there 2 times in the body; give it once"),
            (
                '{"' + 'x": 1, "'.join(["x" * 998] * 2) + 'x": 2}',
                "x" * 80,
                f"'{'x' * 80}' is there 2 times in the body",
            ),
        ],
    )
    def test_it_is_named_with_its_place(self, house: House, text: str, named: str, sentence: str) -> None:
        answer = house.client.post("/api/v1/runs", content=text, headers=self.JSON)
        assert answer.status_code == 422
        ((field, (told,)),) = answer.json()["errors"].items()
        assert (field, told.startswith(sentence)) == (named, True), told

    def test_the_same_key_in_two_objects_is_none(self, house: House) -> None:
        text = '{"config": {"dataset": "digits"}, "notes": "{\\"a\\": 1, \\"a\\": 2}", "tags": ["tags"]}'
        assert house.client.post("/api/v1/runs", content=text, headers=self.JSON).status_code == 201


class TestMethods:
    def test_every_address_names_all_of_its_methods(self, house: House) -> None:
        for path, item in house.app.openapi()["paths"].items():
            there_are = {method.upper() for method in item}
            expected = sorted(there_are | {"OPTIONS"} | ({"HEAD"} if "GET" in there_are else set()))
            address = real(path, house)
            options = house.client.options(address)
            assert (options.status_code, options.headers["Allow"].split(", ")) == (204, expected)
            assert options.content == b""
            for method in {*METHODS, "TRACE", "PROPFIND"} - there_are:
                answer = house.client.request(method, address)
                assert answer.status_code == 405, (method, path)
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.headers["Allow"].split(", ") == expected
                assert method in answer.json()["detail"]

    @pytest.mark.parametrize(
        ("address", "allowed"),
        [
            ("/", "GET, HEAD, OPTIONS"),
            ("/runs/r_x", "GET, HEAD, OPTIONS"),
            ("/static/js/main.js", "GET, HEAD, OPTIONS"),
            ("/static/js/nothing.js", "GET, HEAD, OPTIONS"),
            ("/login", "GET, HEAD, OPTIONS, POST"),
            ("/login/links", "OPTIONS, POST"),
        ],
    )
    @pytest.mark.parametrize("origin", [None, HOST])
    def test_addresses_beside_the_interface_name_theirs(
        self, house: House, address: str, allowed: str, origin: str | None
    ) -> None:
        headers = {"Origin": origin, "Access-Control-Request-Method": "GET"} if origin else {}
        options = house.client.options(address, headers=headers)
        assert (options.status_code, options.headers["Allow"], options.content) == (204, allowed, b"")
        for method in {*METHODS, "TRACE"} - set(allowed.split(", ")):
            answer = house.client.request(method, address)
            assert (answer.status_code, answer.headers["Allow"]) == (405, allowed), method
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["detail"] == f"{address} does not answer to {method}; it does to {allowed}."

    def test_what_is_nowhere_is_not_found_by_any_method(self, house: House) -> None:
        for method in (*METHODS, "HEAD", "OPTIONS"):
            assert house.client.request(method, "/api/v1/nothing").status_code == 404


class TestHead:
    def test_answers_as_get_does_without_the_content(self, house: House) -> None:
        for path, method, _ in operations(house):
            if method != "GET" or path.endswith("/live"):
                continue
            address, query = real(path, house), {}
            if path.endswith("/compare"):
                query = {"runs": house.api.get("/runs")["items"][0]["id"]}
            plain = {"Accept-Encoding": "identity"}
            head = house.client.head(address, params=query, headers=plain)
            get = house.client.get(address, params=query, headers=plain)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            assert head.status_code == 200
            for name in ("Content-Type", "Content-Length", "Content-Disposition"):
                assert head.headers.get(name) == get.headers.get(name), (path, name)

    def test_tells_no_length_that_compression_would_change(self, house: House) -> None:
        assert house.client.get("/api/v1/schema").headers["Content-Encoding"] == "gzip"
        assert "Content-Length" not in house.client.head("/api/v1/schema").headers

    def test_refuses_as_get_does(self, house: House) -> None:
        for path, status in (("/runs/r_nothing", 404), ("/runs?limit=0", 422), ("/runs?x=1", 422)):
            answer = house.client.head(f"/api/v1{path}")
            assert (answer.status_code, answer.content) == (status, b"")

    def test_of_a_stream_ends(self, house: House) -> None:
        with house.served() as address, httpx.Client(base_url=address, timeout=60) as client:
            for _ in range(3):
                answer = client.head("/api/v1/live")
                assert (answer.status_code, answer.content) == (200, b"")
                assert answer.headers["Content-Type"].startswith("text/event-stream")
            assert client.get("/api/v1/runs?limit=1").status_code == 200


class TestRanges:
    @pytest.fixture
    def address(self, house: House) -> str:
        return real("/api/v1/runs/{run_id}/checkpoints/{checkpoint_id}/file", house)

    def test_a_part_is_answered_with(self, house: House, address: str) -> None:
        answer = house.client.get(address, headers={"Range": "bytes=2-4"})
        assert (answer.status_code, answer.content) == (206, b"igh")

    @pytest.mark.parametrize(
        ("given", "status"), [("bytes=70-80", 416), ("pages=1", 400), ("bytes=5-2", 400), ("x", 400)]
    )
    def test_what_is_no_part_is_refused_with_a_problem(
        self, house: House, address: str, given: str, status: int
    ) -> None:
        answer = house.client.get(address, headers={"Range": given})
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status
        if status == 416:
            assert answer.headers["Content-Range"] == "bytes */7"


@pytest.mark.parametrize("body", ["", "{}", " {} ", "null"])
def test_a_body_that_says_nothing_is_no_refusal(shared_house: House, body: str) -> None:
    """As many clients send of themselves with every POST."""
    run_id = shared_house.api.launch()
    answer = shared_house.client.post(
        f"/api/v1/runs/{run_id}/stop", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code < 300
