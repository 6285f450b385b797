"""Wherever runs are listed beside each other their names tell them apart, however long they are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect
from playwright.sync_api import Error as PlaywrightError

from tests.support.many_runs import Made, insert_comparison, insert_runs
from tests.support.service import Service

pytestmark = pytest.mark.browser

WAIT = 60_000
LONG = "imagenet-a-very-long-campaign-name-that-goes-on ResNet-50"
#: The part of an element's text that can be seen: what no box of it or around it clips.
SEEN = """
(node) => {
  const walk = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  const clips = (box) => /hidden|clip|auto|scroll/.test(getComputedStyle(box).overflowX);
  const isWithin = (rect, bounds) => rect.left >= bounds.left - 1 && rect.right <= bounds.right + 1;
  const isSeen = (rect, box) => !box || box.matches(".scroller, main, body") ||
    ((!clips(box) || isWithin(rect, box.getBoundingClientRect())) && isSeen(rect, box.parentElement));
  let text = "";
  while (walk.nextNode()) {
    const { data, parentElement } = walk.currentNode;
    for (let at = 0; at < data.length; at += 1) {
      range.setStart(walk.currentNode, at);
      range.setEnd(walk.currentNode, at + 1);
      const rect = range.getBoundingClientRect();
      if (rect.width === 0 || isSeen(rect, parentElement)) text += data[at];
    }
  }
  return text.trim();
}
"""


def seen(found: Locator) -> list[str]:
    return [str(node.evaluate(SEEN)) for node in found.all()]


@pytest.fixture(scope="module")
def six(service: Service) -> list[str]:
    """Runs of two comparisons, so that arm and seed alone do not tell them apart."""
    expect.set_options(timeout=WAIT)
    arms = ("baseline", "stochastic depth")
    made = [Made(name=f"{LONG} · {arms[n % 2]} · seed {n // 2}", age=9 - n, points=20) for n in range(6)]
    return insert_runs(service.home, made)


@pytest.fixture(params=[1440, 390])
def sized(request: pytest.FixtureRequest, browser: Browser, service: Service) -> Iterator[Page]:
    context = browser.new_context(base_url=service.url, viewport={"width": request.param, "height": 900})
    yield context.new_page()
    context.close()


ENDS = [f"{arm} · seed {seed}" for seed in range(3) for arm in ("baseline", "stochastic depth")]


def test_cards_and_heads_of_tables_show_what_differs(sized: Page, six: list[str]) -> None:
    sized.goto(f"/compare?runs={','.join(six)}")
    links = sized.locator(".member__line > a")
    expect(links).to_have_count(6)
    assert seen(links) == [f"…{end}" for end in ENDS]
    assert [link.get_attribute("title") for link in links.all()] == [f"{LONG} · {end}" for end in ENDS]
    heads = sized.get_by_test_id("results").locator("thead th a")
    assert seen(heads) == [f"…{end}" for end in ENDS]
    # By their full names for who cannot see them.
    expect(sized.get_by_role("button", name=f"Hide the curves of {LONG} · {ENDS[3]}")).to_be_visible()


def test_charts_call_runs_by_what_differs(sized: Page, six: list[str]) -> None:
    sized.goto(f"/compare?runs={','.join(six)}")
    card = sized.get_by_test_id("chart-train-loss")
    card.scroll_into_view_if_needed()
    expect(card.locator(".js-plotly-plot .trace").first).to_be_attached()
    legend = card.locator(".legend li")
    assert [entry.locator("span").nth(1).text_content() for entry in legend.all()] == [f"…{end}" for end in ENDS]
    assert [entry.get_attribute("title") for entry in legend.all()] == [f"{LONG} · {end}" for end in ENDS]
    box = card.locator(".nsewdrag").first.bounding_box()
    assert box is not None
    sized.mouse.move(box["x"] + 2, box["y"] + 2)
    sized.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    for end in ENDS:
        expect(card.locator(".hoverlayer")).to_contain_text(end)


def test_rows_of_the_list_keep_the_end_of_a_name(sized: Page, six: list[str]) -> None:
    sized.goto("/runs")
    row = sized.locator(f"tr[data-run={six[2]}]").get_by_test_id("row-open")
    expect(row).to_have_text(f"{LONG} · {ENDS[2]}")
    assert row.evaluate(SEEN).endswith("seline · seed 1")
    expect(sized.get_by_role("link", name=f"{LONG} · {ENDS[2]}", exact=True)).to_be_visible()


def test_so_does_the_picker(sized: Page, six: list[str]) -> None:
    sized.goto("/compare")
    sized.get_by_test_id("choose-runs").click()
    label = sized.get_by_test_id("run-picker").locator("li", has=sized.locator(f"input[value={six[2]}]"))
    assert str(label.locator(".picker__name").evaluate(SEEN)).endswith("seline · seed 1")
    expect(sized.get_by_role("checkbox", name=f"{LONG} · {ENDS[2]}, completed")).to_be_visible()


def test_a_picker_that_is_opened_before_the_runs_are_there_shows_them_then(sized: Page, six: list[str]) -> None:
    held: list[Route] = []
    sized.route("**/api/v1/runs?*", lambda route: held.append(route))
    sized.goto("/compare")
    sized.get_by_test_id("choose-runs").click()
    expect(sized.get_by_test_id("picker-note")).to_contain_text("Looking.")
    sized.unroute("**/api/v1/runs?*")
    for route in held:
        with contextlib.suppress(PlaywrightError):  # Taking the handler away lets go of them too.
            route.continue_()
    expect(sized.get_by_test_id("run-picker").locator(f"input[value={six[2]}]")).to_be_visible()
    expect(sized.get_by_test_id("picker-note")).not_to_contain_text("Looking.")


def test_the_card_of_a_comparison_names_arms_and_seeds(sized: Page, service: Service) -> None:
    comparison, _ = insert_comparison(service.home, name=LONG, seeds="0-1")
    sized.goto("/compare")
    card = sized.get_by_test_id("comparison-card").filter(has=sized.locator(f"a[href$='{comparison}']"))
    links = card.locator("li > a")
    expect(links).to_have_count(4)
    assert seen(links) == [
        "Baseline · seed 0",
        "Stochastic depth · seed 0",
        "Baseline · seed 1",
        "Stochastic depth · seed 1",
    ]
    expect(links.nth(3)).to_have_attribute("title", f"{LONG} · stochastic depth · seed 1")
