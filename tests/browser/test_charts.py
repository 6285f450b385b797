"""What the charts say when one points at them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

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
    for label in ("Baseline", "Stochastic depth"):
        expect(point_at(page, card)).to_contain_text(
            re.compile(rf"{label} · seed 0 ?: smoothed \d+\.\d+, raw \d+\.\d+")
        )


def test_on_a_phone_the_words_stand_once_above_the_values(browser: Browser, service: Service) -> None:
    comparison, _ = insert_comparison(service.home, name="smooth pair", seeds="0", points=20)
    page = browser.new_context(base_url=service.url, viewport={"width": 390, "height": 900}).new_page()
    page.goto(f"/comparisons/{comparison}?smooth=0.6")
    hover = point_at(page, chart(page, "train-loss"))
    expect(hover).to_contain_text(re.compile(r"step \d+: smoothed, raw"))
    expect(hover).to_contain_text(re.compile(r"Stochastic depth · seed 0 ?: 0\.\d+, 0\.\d+"))
    page.context.close()


@pytest.fixture(scope="module")
def hundred(service: Service) -> list[str]:
    return insert_runs(service.home, [Made(name=f"run {n:03d}", age=200 - n, points=20) for n in range(100)])


def test_a_hundred_runs_are_said_to_share_colours_and_differ_in_dashes(page: Page, hundred: list[str]) -> None:
    page.goto(f"/compare?runs={','.join(hundred)}")
    expect(page.get_by_test_id("shared-lines")).to_have_text(
        "100 runs share 12 colours and 4 patterns of lines, so some look alike. Point at a line to see its run."
    )
    card = chart(page, "train-loss")
    page.wait_for_function(
        "() => document.querySelector('[data-testid=chart-train-loss] .js-plotly-plot')?.data.length === 100"
    )
    drawn = card.locator(".js-plotly-plot").evaluate(
        "node => node.data.map(({ line }) => `${line.color} ${line.dash}`)"
    )
    assert len(set(drawn)) == 48
    # The same beside the names as in the chart.
    patterns = page.locator(".member > .swatch").evaluate_all("all => all.map((one) => one.dataset.pattern ?? '0')")
    assert patterns == [str(n // 12 % 4) for n in range(100)]


def test_pointing_at_one_of_many_lines_names_its_run_alone(page: Page, hundred: list[str]) -> None:
    page.goto(f"/compare?runs={','.join(hundred[:13])}")
    expect(page.get_by_test_id("shared-lines")).to_contain_text("13 runs share 12 colours")
    card = chart(page, "lr")
    hover = point_at(page, card, down=0.05)
    expect(hover).to_contain_text(re.compile(r"^run 0\d\dstep \d+: 0\.1$"))


def test_of_a_dozen_runs_nothing_is_said_of_colours(page: Page, hundred: list[str]) -> None:
    page.goto(f"/compare?runs={','.join(hundred[:12])}")
    expect(page.get_by_test_id("member")).to_have_count(12)
    expect(page.get_by_test_id("shared-lines")).to_be_hidden()
    expect(point_at(page, chart(page, "lr"), down=0.05)).to_contain_text(re.compile("run 000 ?: .*run 001"))
