"""Curves by arm: the mean over the seeds with a band, and single runs on demand."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.many_runs import insert_comparison
from tests.support.service import Service

pytestmark = pytest.mark.browser

WAIT = 60_000
TRACES = """
(node) => node.querySelector(".js-plotly-plot").data
  .map(({ name, y, fill, hoverinfo }) => [name, y.length, fill, hoverinfo])
"""


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=WAIT)


def traces(page: Page, chart: str) -> list[Any]:
    card = page.get_by_test_id(f"chart-{chart}")
    expect(card.locator(".js-plotly-plot")).to_be_visible()
    found: list[Any] = card.evaluate(TRACES)
    return found


def test_seeds_are_folded_into_their_arms_and_shown_on_demand(page: Page, service: Service) -> None:
    comparison, ids = insert_comparison(service.home, name="five seeds", seeds="0-4", points=20)
    page.goto(f"/comparisons/{comparison}")
    expect(page.get_by_test_id("lines-arms")).to_be_checked()
    chart = page.get_by_test_id("chart-val-top1")
    expect(chart.locator(".legend")).to_contain_text("Baseline")
    expect(chart.locator(".legend")).to_contain_text("Stochastic depth")
    named = [name for name, *_ in traces(page, "val-top1") if name]
    assert named == ["Baseline", "Stochastic depth"]
    # The edges of two bands, of which nothing is said.
    bands = [fill for name, _, fill, hover in traces(page, "val-top1") if hover == "skip"]
    assert bands == [None, "tonexty", None, "tonexty"]
    expect(page.get_by_test_id("member").first).to_be_hidden()

    page.get_by_test_id("lines-runs").check(force=True)
    expect(page.get_by_test_id("member")).to_have_count(10)
    expect(page.get_by_test_id("member").first).to_be_visible()
    expect(page).to_have_url(f"{service.url}/comparisons/{comparison}?lines=runs")
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot')[0]?.data.length === 10")
    page.reload()
    expect(page.get_by_test_id("lines-runs")).to_be_checked()

    page.get_by_test_id("member-hide").first.click()
    page.get_by_test_id("lines-arms").check(force=True)
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot')[0]?.data.length === 6")
    assert len(ids) == 10


@pytest.mark.parametrize("path", ["one seed", "any runs"])
def test_where_nothing_can_be_folded_there_is_no_choice(page: Page, service: Service, path: str) -> None:
    comparison, ids = insert_comparison(service.home, name="one seed", seeds="0", points=20)
    page.goto(f"/comparisons/{comparison}" if path == "one seed" else f"/compare?runs={','.join(ids)}")
    expect(page.get_by_test_id("member").first).to_be_visible()
    expect(page.get_by_test_id("lines-arms")).to_have_count(0)


@pytest.mark.parametrize("width", [390, 1440])
def test_every_arm_is_named_in_every_legend(page: Page, service: Service, width: int) -> None:
    comparison, _ = insert_comparison(service.home, name="a sweep", seeds="0-1", points=20, template="survival")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"/comparisons/{comparison}")
    legend = page.get_by_test_id("chart-val-top1").locator(".legend")
    expect(legend.locator("li:not(.legend__note)")).to_have_count(5)
    assert legend.evaluate("node => node.scrollHeight - node.clientHeight") <= 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
