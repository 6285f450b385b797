"""The page's files, Plotly, and the addresses that the page itself knows."""

from __future__ import annotations

import gzip
from importlib.metadata import version

import pytest

from tests.api.house import House, wait_until

BROWSER = {"Accept-Encoding": "gzip, br"}


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


@pytest.mark.parametrize("path", ["/", "/runs", "/new", "/runs/r_abc", "/compare?runs=a,b", "/anything/else"])
def test_every_address_of_the_page_gives_the_page(house: House, path: str) -> None:
    answer = house.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "<title>ResDrop</title>" in answer.text
    assert house.client.head(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/missing.js", "/static/missing.js", "/api/v1/missing", "/api/", "/vendor/x.js", "/docs.html"]
)
def test_what_is_no_page_is_not_found(house: House, path: str) -> None:
    answer = house.client.get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_files_are_asked_for_again_but_not_sent_again(house: House) -> None:
    first = house.client.get("/static/js/main.js")
    assert first.headers["Content-Type"].startswith("text/javascript")
    assert first.headers["Cache-Control"] == "no-cache"
    again = house.client.get("/static/js/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


class TestPlotly:
    def test_is_compressed_once_and_kept_for_ever(self, house: House) -> None:
        (compressed,) = wait_for_files(house)
        answer = house.client.get(f"/vendor/plotly.min.js?v={version('plotly')}", headers=BROWSER)
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Content-Type"].startswith("text/javascript")
        assert int(answer.headers["Content-Length"]) == compressed < 2_000_000
        assert "plotly.js v" in answer.text[:200]

    def test_comes_plain_for_who_takes_no_gzip(self, house: House) -> None:
        wait_for_files(house)
        answer = house.client.get("/vendor/plotly.min.js", headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in answer.headers
        assert len(answer.content) > 3_000_000
        assert answer.headers["Vary"] == "Accept-Encoding"

    def test_under_another_version_is_asked_for_again(self, house: House) -> None:
        for query in ("", "?v=0"):
            assert house.client.get(f"/vendor/plotly.min.js{query}").headers["Cache-Control"] == "no-cache"

    def test_half_a_file_is_never_served(self, house: House) -> None:
        """It is renamed into its place when it is whole."""
        wait_for_files(house)
        (path,) = (house.settings.home / "cache").iterdir()
        assert gzip.decompress(path.read_bytes()).rstrip()[-1:] in (b";", b"}")


def wait_for_files(house: House) -> list[int]:
    folder = house.settings.home / "cache"
    wait_until(lambda: [path.suffix for path in folder.iterdir()] == [".gz"], what="the compressed Plotly")
    return [path.stat().st_size for path in folder.iterdir()]
