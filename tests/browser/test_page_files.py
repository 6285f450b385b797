"""What a browser fetches of the page: all of it once, and never again until there is another release."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.service import Service

pytestmark = pytest.mark.browser

WAIT = 120_000


@pytest.fixture(scope="module")
def address(service: Service) -> str:
    run_id = service.launch(epochs=1)
    service.wait_for_status(run_id, "completed", seconds=120)
    return f"/runs/{run_id}"


def fetched(page: Page, address: str) -> list[dict[str, Any]]:
    """What came over the network for the page and its charts, without what the browser had already."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    kept = set()
    session.on("Network.requestServedFromCache", lambda event: kept.add(event["requestId"]))
    answers: list[dict[str, Any]] = []
    session.on("Network.responseReceived", lambda event: answers.append(event))
    page.goto(address)
    expect(page.locator(".js-plotly-plot .trace path.js-line").first).to_be_attached(timeout=WAIT)
    page.wait_for_load_state("load")
    session.detach()
    return [one["response"] for one in answers if one["requestId"] not in kept and not one["response"]["fromDiskCache"]]


def test_a_second_visit_asks_for_no_file_but_the_page_itself(page: Page, address: str) -> None:
    def paths() -> list[str]:
        return [path for path in (one["url"].split("/", 3)[3] for one in fetched(page, address)) if "api/" not in path]

    first = paths()
    assert len(first) > 70
    assert len([path for path in first if "/vendor/" in path]) == 1
    assert paths() == [address.removeprefix("/")]
    assert paths() == [address.removeprefix("/")]


def test_everything_comes_compressed(page: Page, address: str) -> None:
    for answer in fetched(page, address):
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        is_large = int(headers.get("content-length", "0")) > 2000
        assert not is_large or headers.get("content-encoding") == "gzip", answer["url"]
