from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.service import REPOSITORY, Service, running_service

SCREENSHOTS = REPOSITORY / "tests" / "screenshots"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("resdrop")) as started:
        yield started


@pytest.fixture(autouse=True)
def _nothing_left_training(service: Service) -> Iterator[None]:
    """There is one device: what a failed test left on it would make the others wait."""
    yield
    left = [run["id"] for run in service.api.get("/runs").json()["items"] if run["finished_at"] is None]
    if left:
        service.api.post("/runs/actions", json={"action": "stop", "ids": left})


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    """A page at 1440 px that fails its test when the page's own code raised or complained."""
    context = browser.new_context(base_url=service.url, viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield opened
    context.close()
    # A refusal, and a service that a test has killed, are the browser's words and not the page's.
    assert [text for text in complaints if "status of 4" not in text and "net::ERR_" not in text] == []


@pytest.fixture
def screenshots() -> Path:
    SCREENSHOTS.mkdir(exist_ok=True)
    return SCREENSHOTS
