"""No control of the page leads elsewhere, and no request goes to anybody but the service itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.outside import Outside, outside
from tests.support.service import QUICK_CONFIG, Service

pytestmark = pytest.mark.browser

WAIT = 120_000
#: Short enough to stand whole in a label.
NAME = '<a href="//x.example/">a & b</a>'
#: The buttons of a chart; a later Plotly may have more, which are then not among ours.
BUTTONS = {"Download plot", "Zoom", "Pan", "Reset axes"}

LINKS = """
() => [...document.querySelectorAll("*")].flatMap((node) =>
  ["href", "src", "action", "formaction", "xlink:href", "ping", "data"].map((name) => node.getAttribute(name))
).filter(Boolean).map((address) => new URL(address, location.href).href)
"""
#: All that Plotly was told, its own defaults included: {name: value} of each chart.
CONFIGURATIONS = "() => [...document.querySelectorAll('.js-plotly-plot')].map((chart) => ({ ...chart._context }))"


@pytest.fixture
def world() -> Iterator[Outside]:
    with outside() as world:
        yield world


@pytest.fixture
def context(browser: Browser, service: Service, world: Outside) -> Iterator[BrowserContext]:
    """Whatever is not the service's goes through a proxy, that of workers and of opened windows too."""
    proxy: Any = {"server": world.address, "bypass": f"127.0.0.1:{service.port}"}
    opened = browser.new_context(base_url=service.url, viewport={"width": 1440, "height": 900}, proxy=proxy)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def comparison(service: Service) -> dict[str, Any]:
    """A finished pair, and a run whose name is markup."""
    body = {"config": QUICK_CONFIG | {"epochs": 1}}
    made: dict[str, Any] = service.api.post("/comparisons", json=body).json()
    named = service.api.post("/runs", json={"name": NAME, "config": QUICK_CONFIG | {"epochs": 1}}).json()
    for run in [*made["runs"], named]:
        service.wait_for_status(run["id"], "completed", seconds=120)
    return made | {"named": named["id"]}


def pages_of(comparison: dict[str, Any]) -> dict[str, str]:
    first, named = comparison["runs"][0]["id"], comparison["named"]
    return {
        "run": f"/runs/{first}",
        "compare": f"/compare?runs={first},{named}",
        "comparison": f"/comparisons/{comparison['id']}",
        "runs": "/",
        "new": "/new",
        "comparisons": "/compare",
        "report": f"/api/v1/comparisons/{comparison['id']}/report.html",
    }


def leads_outside(service: Service, addresses: list[str]) -> list[str]:
    own = (f"{service.url}/", "data:", "blob:")
    return [address for address in addresses if not address.startswith(own)]


def draw_all(page: Page) -> None:
    """Scrolls through the page until every chart that has points is drawn."""
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=WAIT)
    charts = page.locator(".chart:not(.chart--empty)")
    for index in range(charts.count()):
        charts.nth(index).scroll_into_view_if_needed()
        expect(charts.nth(index).locator(".js-plotly-plot .modebar")).to_be_attached(timeout=WAIT)


@pytest.mark.parametrize("name", ["run", "compare", "comparison"])
def test_every_control_of_every_chart_stays_here(
    context: BrowserContext, service: Service, world: Outside, comparison: dict[str, Any], name: str
) -> None:
    page = context.new_page()
    page.goto(pages_of(comparison)[name])
    draw_all(page)
    buttons = page.locator(".modebar a, .modebar button")
    titles = [button.get_attribute("data-title") for button in buttons.all()]
    assert set(titles) == BUTTONS
    for button in buttons.all():
        button.dispatch_event("click")
    page.wait_for_timeout(500)
    assert leads_outside(service, page.evaluate(LINKS)) == []
    assert [one for one in context.pages if one is not page] == []
    assert world.asked == []


def test_plotly_knows_no_address_outside_and_offers_no_upload(
    context: BrowserContext, comparison: dict[str, Any]
) -> None:
    page = context.new_page()
    page.goto(pages_of(comparison)["run"])
    draw_all(page)
    for told in page.evaluate(CONFIGURATIONS):
        assert (told["showSendToCloud"], told["plotlyServerURL"], told["displaylogo"]) == (False, "", False)
        assert [text for text in told.values() if isinstance(text, str) and re.search(r"//|\.\w+\.", text)] == []


@pytest.mark.parametrize("name", ["runs", "new", "comparisons", "report"])
def test_no_page_leads_outside(
    context: BrowserContext, service: Service, world: Outside, comparison: dict[str, Any], name: str
) -> None:
    page = context.new_page()
    page.goto(pages_of(comparison)[name])
    expect(page.locator("h1").first).to_be_visible(timeout=WAIT)
    assert leads_outside(service, page.evaluate(LINKS)) == []
    assert world.asked == []


def test_a_name_is_shown_in_a_chart_as_it_is(context: BrowserContext, comparison: dict[str, Any]) -> None:
    """Plotly makes links of names that look like them."""
    page = context.new_page()
    page.goto(pages_of(comparison)["compare"])
    draw_all(page)
    plot = page.get_by_test_id("chart-train-loss").locator(".js-plotly-plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    label = plot.locator(".hoverlayer")
    expect(label).to_contain_text(NAME, timeout=WAIT)
    assert label.locator("a").count() == 0


def test_what_would_leave_is_seen_by_these_tests(context: BrowserContext, world: Outside) -> None:
    page = context.new_page()
    page.goto("/")
    answer = page.goto("http://outside.example/")
    assert answer is not None
    assert (answer.status, world.asked[0]) == (502, "GET http://outside.example/")
