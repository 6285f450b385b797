"""No page is wider than its window, whatever stands in it; wide tables scroll in a box of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect

from tests.support.many_runs import Made, insert_comparison, insert_runs
from tests.support.service import Service

pytestmark = pytest.mark.browser

WAIT = 60_000
WIDTHS = (390, 760, 1024, 1440)
LONG = "x" * 200
#: What sticks out of the window, but for what lies in a box that scrolls by itself.
STICKING_OUT = """
() => {
  const scrolls = (node) => /auto|scroll|hidden|clip/.test(getComputedStyle(node).overflowX);
  const isBoxed = (node) => node !== document.body && (scrolls(node) || isBoxed(node.parentElement));
  const right = (node) => Math.round(node.getBoundingClientRect().right);
  return [...document.body.querySelectorAll("*")]
    .filter((node) => right(node) > document.documentElement.clientWidth + 1 && !isBoxed(node.parentElement))
    .map((node) => `${node.tagName}.${node.className} to ${right(node)}`)
    .slice(0, 8);
}
"""


def expect_to_fit(page: Page, what: str) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        try:
            page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width, timeout=WAIT)
        except TimeoutError:
            wide = page.evaluate("document.documentElement.scrollWidth")
            raise AssertionError(f"{what} is {wide} px wide at {width}: {page.evaluate(STICKING_OUT)}") from None


@pytest.fixture(scope="module")
def names(service: Service) -> dict[str, list[str]]:
    """Runs with names that cannot be broken, and comparisons of several sizes."""
    expect.set_options(timeout=WAIT)
    tags = [f"{n:02d}{'t' * 38}" for n in range(20)]
    long = [Made(name=LONG, age=90 - n, tags=tags, notes=LONG * 3, points=20) for n in range(10)]
    many = [Made(name=f"run {n}", age=60 - n, status="failed", points=20) for n in range(50)]
    made = insert_runs(service.home, [*long, *many])
    found = {"long": made[:10], "plain": made[10:]}
    for count in (1, 3, 5, 50):
        comparison, _ = insert_comparison(service.home, name=LONG, seeds=f"0-{count - 1}", points=20)
        found[f"pairs of {count}"] = [comparison]
    return found


@pytest.fixture
def opened(browser: Browser, service: Service) -> Iterator[Page]:
    context = browser.new_context(base_url=service.url, viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def test_the_list_fits(opened: Page, names: dict[str, list[str]]) -> None:
    opened.goto(f"/runs?sel={names['long'][0]},{names['plain'][0]}")
    expect(opened.get_by_test_id("bulk-bar")).to_be_visible()
    expect_to_fit(opened, "the list")
    opened.get_by_test_id("status-filter").select_option("failed")
    expect(opened.get_by_test_id("bulk-count")).to_contain_text("out of view")
    expect_to_fit(opened, "the filtered list")


def test_a_run_fits(opened: Page, names: dict[str, list[str]]) -> None:
    opened.goto(f"/runs/{names['long'][0]}")
    expect(opened.get_by_test_id("chart-loss").locator(".js-plotly-plot")).to_be_visible()
    expect_to_fit(opened, "a run with a long name")


@pytest.mark.parametrize("kind", ["long", "plain"])
@pytest.mark.parametrize("count", [1, 2, 6, 10, 50])
def test_a_comparison_of_runs_fits(opened: Page, names: dict[str, list[str]], kind: str, count: int) -> None:
    ids = names[kind][:count]
    opened.goto(f"/compare?runs={','.join(ids)}")
    expect(opened.get_by_test_id("member")).to_have_count(len(ids))
    expect(opened.get_by_test_id("chart-train-loss").locator(".js-plotly-plot")).to_be_visible()
    expect_to_fit(opened, f"a comparison of {len(ids)} {kind} runs")


@pytest.mark.parametrize("pairs", [1, 3, 5, 50])
def test_a_comparison_of_pairs_fits(opened: Page, names: dict[str, list[str]], pairs: int) -> None:
    (comparison,) = names[f"pairs of {pairs}"]
    opened.goto(f"/comparisons/{comparison}")
    expect(opened.get_by_test_id("member")).to_have_count(2 * pairs)
    expect(opened.get_by_test_id("chart-train-loss").locator(".js-plotly-plot")).to_be_visible()
    expect_to_fit(opened, f"a comparison of {pairs} pairs")


@pytest.mark.parametrize("pairs", [1, 3, 5, 50])
def test_a_report_fits(opened: Page, names: dict[str, list[str]], pairs: int) -> None:
    (comparison,) = names[f"pairs of {pairs}"]
    opened.goto(f"/api/v1/comparisons/{comparison}/report.html")
    expect(opened.locator("h1")).to_be_visible()
    expect_to_fit(opened, f"a report of {pairs} pairs")


def test_the_other_pages_fit(opened: Page, names: dict[str, list[str]]) -> None:
    for path in (
        "/new",
        "/new?kind=comparison",
        f"/new?clone={names['long'][0]}",
        "/compare",
        "/compare?runs=r_no",
        "/nowhere/at/all",
    ):
        opened.goto(path)
        expect(opened.locator("h1").first).to_be_visible()
        if path == "/compare":
            expect(opened.get_by_test_id("comparison-card").first).to_be_visible()
        expect_to_fit(opened, path)


def test_dialogs_fit(opened: Page, names: dict[str, list[str]]) -> None:
    opened.goto(f"/runs/{names['long'][0]}")
    for button in ("edit", "delete"):
        opened.set_viewport_size({"width": 1440, "height": 900})
        opened.get_by_test_id(button).click()
        expect(opened.locator("dialog")).to_be_visible()
        expect_to_fit(opened, f"the dialog of {button}")
        opened.keyboard.press("Escape")
    opened.goto(f"/compare?runs={names['long'][0]}")
    opened.get_by_test_id("choose-runs").click()
    expect(opened.get_by_test_id("run-picker")).to_be_visible()
    expect_to_fit(opened, "the picker")


def test_a_wide_table_scrolls_in_its_own_box_by_keyboard(opened: Page, names: dict[str, list[str]]) -> None:
    opened.set_viewport_size({"width": 390, "height": 900})
    opened.goto(f"/compare?runs={','.join(names['long'])}")
    expect(opened.get_by_test_id("results")).to_be_visible()
    box = opened.locator(".scroller", has=opened.get_by_test_id("results"))
    box.focus()
    expect(box).to_be_focused()
    opened.keyboard.press("ArrowRight")
    opened.wait_for_function("box => box.scrollLeft > 0", arg=box.element_handle(), timeout=WAIT)
