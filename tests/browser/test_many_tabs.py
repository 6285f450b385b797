"""Any number of tabs of one browser: each lives, each can fetch, and none depends on another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from tests.support.service import Service

pytestmark = pytest.mark.browser

TABS = 10
WAIT = 120_000
#: A number for what the page shows of a run: how many points its loss has.
DRAWN = """
() => [...(document.querySelector('[data-testid=chart-loss] .js-plotly-plot')?.data ?? [])]
  .reduce((most, trace) => Math.max(most, trace.x.length), 0)
"""
GROWS = f"(before) => ({DRAWN})() > before"


@pytest.fixture
def context(browser: Browser, service: Service) -> Iterator[BrowserContext]:
    opened = browser.new_context(base_url=service.url, viewport={"width": 1200, "height": 900})
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def training(service: Service) -> Iterator[str]:
    run_id = service.launch(epochs=5000, log_every=2, threads=1, bn_reestimate=0)
    service.wait_for_step(run_id, 4, seconds=120)
    yield run_id
    service.act(run_id, "stop")
    service.wait_for_status(run_id, "stopped", seconds=120)


@pytest.fixture(autouse=True)
def _nothing_left_training() -> None:
    """The run is that of all tests here."""


def opened(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(address)
    expect(page.get_by_test_id("connection")).to_contain_text("Live", timeout=WAIT)
    return page


def is_live(page: Page) -> None:
    """What it shows of the training run grows, and a request of its own is answered."""
    page.bring_to_front()
    page.wait_for_function(GROWS, arg=page.evaluate(DRAWN), timeout=WAIT)
    assert page.evaluate("async () => (await fetch('/api/v1/health', { cache: 'no-store' })).status") == 200


def streams(service: Service) -> int:
    """Connections that the service holds open at present, of whatever kind."""
    (api,) = service.processes("backend.serve")
    return sum(
        one.status == "ESTABLISHED" and one.laddr.port == service.port for one in api.net_connections(kind="tcp")
    )


def test_each_of_many_tabs_is_live_and_can_fetch(context: BrowserContext, service: Service, training: str) -> None:
    pages = [opened(context, f"/runs/{training}") for _ in range(TABS)]
    for page in pages:
        is_live(page)
    assert streams(service) <= 8


def test_tabs_live_on_when_the_first_is_closed_and_when_it_crashes(context: BrowserContext, training: str) -> None:
    first, second, *others = [opened(context, f"/runs/{training}") for _ in range(4)]
    first.close()
    for page in others:
        is_live(page)
    with pytest.raises(Error):
        second.goto("chrome://crash", timeout=10_000)
    for page in others:
        is_live(page)


def test_tabs_live_on_when_the_process_with_the_stream_is_killed(
    browser: Browser, context: BrowserContext, training: str
) -> None:
    pages = [opened(context, f"/runs/{training}") for _ in range(3)]
    session = browser.new_browser_cdp_session()
    targets: list[dict[str, Any]] = session.send("Target.getTargets")["targetInfos"]
    (worker,) = [one for one in targets if one["type"] == "shared_worker"]
    session.send("Target.closeTarget", {"targetId": worker["targetId"]})
    for page in pages:
        is_live(page)


def steps_of(page: Page) -> list[int]:
    """The steps that the loss chart shows, as they are drawn."""
    steps: list[int] = page.evaluate(
        "() => [...document.querySelector('[data-testid=chart-loss] .js-plotly-plot').data[0].x].map(Number)"
    )
    return steps


def test_a_frozen_tab_catches_up_without_a_gap_or_a_repetition(context: BrowserContext, training: str) -> None:
    frozen, other = opened(context, f"/runs/{training}"), opened(context, f"/runs/{training}")
    is_live(frozen)
    before = steps_of(frozen)
    session = context.new_cdp_session(frozen)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    is_live(other)
    other.wait_for_timeout(3000)
    session.send("Page.setWebLifecycleState", {"state": "active"})
    is_live(frozen)
    after = steps_of(frozen)
    assert after[: len(before)] == before
    assert after == list(range(after[0], after[-1] + 1, 2))


def test_tabs_follow_runs_of_their_own(context: BrowserContext, service: Service, training: str) -> None:
    """The stream of all carries what each asks for, and each is told of its own."""
    watching = opened(context, f"/runs/{training}")
    list_page = opened(context, "/")
    run_id = service.launch(epochs=1)
    expect(list_page.locator(f"a[href='/runs/{run_id}']").first).to_be_visible(timeout=WAIT)
    is_live(watching)
    watching.goto("/")
    watching.goto(f"/runs/{training}")
    is_live(watching)
    service.act(run_id, "stop")


def test_a_page_that_comes_back_from_the_history_is_live(context: BrowserContext, training: str) -> None:
    page = opened(context, f"/runs/{training}")
    is_live(page)
    page.goto("/api/v1/health")
    page.go_back()
    is_live(page)


def test_a_browser_without_shared_workers_has_a_stream_in_the_tab_itself(
    context: BrowserContext, training: str
) -> None:
    context.add_init_script("delete globalThis.SharedWorker")
    page = opened(context, f"/runs/{training}")
    is_live(page)
