"""Answers shrink for who takes it, and what must not wait or cannot shrink goes out as it is."""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import replace

import httpx
import pytest
from starlette.datastructures import Headers

from backend.compression import LEAST_BYTES, accepts_gzip
from backend.security.addresses import Addresses
from tests.api.house import House


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


@pytest.mark.parametrize(
    ("header", "is_taken"),
    [
        *[(text, True) for text in ("gzip", "GZIP", "br, gzip", "gzip;q=0.5", "gzip ; q=0.001", "*", "x-gzip")],
        *[(text, False) for text in ("", "identity", "br", "gzip;q=0", "gzip; q=0.000", "*;q=0", "*, gzip;q=0")],
    ],
)
def test_gzip_is_used_where_it_is_taken(header: str, is_taken: bool) -> None:
    assert accepts_gzip(Headers({"Accept-Encoding": header})) is is_taken


def fetch(house: House, path: str, taken: str = "gzip") -> tuple[httpx.Headers, bytes]:
    """The headers, and the body as it went over the wire."""
    with house.client.stream("GET", path, headers={"Accept-Encoding": taken}) as answer:
        assert answer.status_code == 200
        return answer.headers, b"".join(answer.iter_raw())


@pytest.mark.parametrize("path", ["/api/v1/schema", "/api/v1/presets", "/api/v1/openapi.json", "/"])
def test_json_and_the_page_are_compressed(house: House, path: str) -> None:
    headers, body = fetch(house, path)
    _, plain = fetch(house, path, "identity")
    assert (headers["Content-Encoding"], headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert int(headers["Content-Length"]) == len(body) < len(plain) / 2
    assert gzip.decompress(body) == plain


def test_who_refuses_it_gets_it_plain_and_caches_are_told_of_both(house: House) -> None:
    headers, body = fetch(house, "/api/v1/schema", "gzip;q=0")
    assert "Content-Encoding" not in headers
    assert headers["Vary"] == "Accept-Encoding"
    assert body.startswith(b"{")


def test_a_small_answer_stays_as_it_is(house: House) -> None:
    headers, body = fetch(house, "/api/v1/queue")
    assert ("Content-Encoding" not in headers, body[:1]) == (True, b"{")


VARYING = [
    "/",
    "/runs/r_x",
    "/static/js/main.js",
    "/api/v1/schema",
    "/api/v1/queue",
    "/api/v1/nothing",
    "/api/v1/runs?x=1",
]


@pytest.mark.parametrize("taken", ["gzip", "identity"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", VARYING)
def test_caches_are_told_once_that_an_answer_varies(house: House, path: str, method: str, taken: str) -> None:
    answer = house.client.request(method, path, headers={"Accept-Encoding": taken})
    assert answer.headers.get_list("Vary") == ["Accept-Encoding"]


@pytest.mark.parametrize("taken", ["gzip", "identity"])
def test_every_file_of_the_page_varies_and_so_does_its_304(house: House, taken: str) -> None:
    files = house.app.state.frontend.release().files
    assert min(len(file.content) for file in files.values()) < LEAST_BYTES
    for name in files:
        for address in (f"/static/{name}", "/"):
            answer = house.client.get(address, headers={"Accept-Encoding": taken})
            again = house.client.get(
                address, headers={"Accept-Encoding": taken, "If-None-Match": answer.headers["ETag"]}
            )
            assert (answer.status_code, again.status_code) == (200, 304)
            assert answer.headers.get_list("Vary") == again.headers.get_list("Vary") == ["Accept-Encoding"], address


def test_a_page_of_another_site_is_told_of_both(house: House) -> None:
    origin = "https://board.example.org"
    settings = replace(house.settings, addresses=Addresses(allowed_origins=(origin,)))
    answer = House(settings).client.get("/api/v1/nothing", headers={"Origin": origin})
    assert answer.headers.get_list("Vary") == ["Accept-Encoding, Origin"]


def test_what_is_never_compressed_does_not_vary(house: House) -> None:
    run_id = house.api.launch()
    house.mount_root()
    checkpoint = house.checkpoint(run_id, f"runs/{run_id}/step-5.pt", content=bytes(5000))
    path = f"/api/v1/runs/{run_id}/checkpoints/{checkpoint}/file"
    for headers in ({}, {"Range": "bytes=0-9"}):
        assert "Vary" not in house.client.get(path, headers=headers).headers
    assert "Vary" not in house.client.options("/").headers


def test_a_table_is_compressed_on_its_way(house: House) -> None:
    run_id = house.api.launch()
    house.points(run_id, range(1, 3000), train_loss=lambda step: 1 / step)
    path = f"/api/v1/runs/{run_id}/metrics.csv"
    headers, body = fetch(house, path)
    _, plain = fetch(house, path, "identity")
    assert (headers["Content-Encoding"], "Content-Length" in headers) == ("gzip", False)
    assert len(body) < len(plain) / 2
    assert zlib.decompress(body, 31) == plain


def test_a_checkpoint_keeps_its_length_and_can_be_fetched_in_parts(house: House) -> None:
    run_id = house.api.launch()
    house.mount_root()
    content = os.urandom(5000) + bytes(5000)
    checkpoint = house.checkpoint(run_id, f"runs/{run_id}/step-5.pt", content=content)
    path = f"/api/v1/runs/{run_id}/checkpoints/{checkpoint}/file"
    headers, body = fetch(house, path)
    assert ("Content-Encoding" in headers, headers["Content-Length"], body == content) == (False, "10000", True)
    part = house.client.get(path, headers={"Range": "bytes=4000-5999", "Accept-Encoding": "gzip"})
    assert (part.status_code, part.content) == (206, content[4000:6000])
    assert "Content-Encoding" not in part.headers


def test_events_are_not_held_back(house: House) -> None:
    with (
        house.served() as url,
        httpx.stream("GET", f"{url}/api/v1/live", headers={"Accept-Encoding": "gzip"}) as answer,
    ):
        assert "Content-Encoding" not in answer.headers
        assert next(answer.iter_raw()).startswith(b"retry: ")
