"""What the charts say when one points at them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.many_runs import Made, insert_comparison, insert_runs
from tests.support.service import Service

pytestmark = pytest.mark.browser

WAIT = 60_000


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=WAIT)


def chart(page: Page, key: str) -> Locator:
    found = page.get_by_test_id(f"chart-{key}")
    found.scroll_into_view_if_needed()
    expect(found.locator(".js-plotly-plot .trace").first).to_be_attached()
    return found


def point_at(page: Page, card: Locator, *, right: float = 0.5, down: float = 0.5) -> Any:
    """The mouse over the plot, at so much of its width and height; what is said there."""
    box = card.locator(".nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.move(box["x"] + right * box["width"], box["y"] + down * box["height"], steps=4)
    return card.locator(".hoverlayer")


def test_pointing_at_a_smoothed_curve_tells_both_values_by_name(page: Page, service: Service) -> None:
    (run_id,) = insert_runs(service.home, [Made(name="smooth", age=1, points=20)])
    page.goto(f"/runs/{run_id}?smooth=0.6")
    card = chart(page, "accuracy")
    expect(card.locator(".legend")).to_contain_text("raw 97.50 %")
    expect(point_at(page, card)).to_contain_text(re.compile(r"val top-1 ?: smoothed \d+\.\d+, raw \d+\.?\d*"))
    rate = chart(page, "lr")
    expect(rate.locator(".legend")).not_to_contain_text("raw")
    expect(point_at(page, rate)).to_contain_text(re.compile(r"learning rate ?: 0\.1$"))
    page.goto(f"/runs/{run_id}")
    card = chart(page, "accuracy")
    expect(card.locator(".legend")).not_to_contain_text("raw")
    expect(point_at(page, card)).to_contain_text(re.compile(r"val top-1 ?: \d+\.?\d*$"))


def test_so_does_it_where_runs_are_compared(page: Page, service: Service) -> None:
    comparison, _ = insert_comparison(service.home, name="smooth pair", seeds="0", points=20)
    page.goto(f"/comparisons/{comparison}?smooth=0.6")
    card = chart(page, "train-loss")
    expect(card.locator(".legend li").first).to_contain_text("raw 0.1")
    for label in ("Baseline", "SD"):
        expect(point_at(page, card)).to_contain_text(
            re.compile(rf"{label} · seed 0 ?: smoothed \d+\.\d+, raw \d+\.\d+")
        )
