"""Figures are told as people read them: rounded, with the sign of print, and a dash where there is none."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.many_runs import insert_comparison, set_columns
from tests.support.service import Service

pytestmark = pytest.mark.browser

WAIT = 60_000
NEVER_BEGUN = {"status": "stopped", "epoch": 0.0, "step": 0, "elapsed_seconds": 0.0, "latest": {}}
PART_OF_THE_WAY = {"status": "stopped", "epoch": 7.727272727, "elapsed_seconds": 0.04}


@pytest.fixture(scope="module")
def pair(service: Service) -> tuple[str, str, str]:
    """A comparison of which one run was stopped on its way and the other never began, with the ids of both."""
    expect.set_options(timeout=WAIT)
    comparison, (stopped, never) = insert_comparison(service.home, name="unfinished", seeds="0", points=20)
    config = service.run(stopped)["config"] | {"epochs": 10}
    set_columns(service.home, stopped, **PART_OF_THE_WAY, best_top1=91.5, best_epoch=7.727272727, config=config)
    set_columns(service.home, never, **NEVER_BEGUN)
    return comparison, stopped, never


def result(page: Page, title: str) -> list[str]:
    row = page.get_by_test_id("results").locator("tr", has=page.get_by_role("rowheader", name=title, exact=True))
    return row.locator("td").all_inner_texts()


def test_a_run_that_never_began_has_no_time(page: Page, pair: tuple[str, str, str]) -> None:
    comparison, stopped, never = pair
    for run_id, time in ((never, "–"), (stopped, "0.0 s")):
        page.goto(f"/runs/{run_id}")
        tile = page.locator(".tile", has_text="Training time")
        expect(tile.locator("dd span")).to_have_text(time)
    page.goto(f"/comparisons/{comparison}")
    expect(page.get_by_test_id("results")).to_be_visible()
    assert result(page, "Wall time of training") == ["0.0 s", "–"]
    page.goto(f"/api/v1/comparisons/{comparison}/report.html")
    rows = page.get_by_role("group", name="Results").locator("tbody tr")
    assert [row.locator("td").nth(7).inner_text() for row in rows.all()] == ["0.0 s", "–"]


def test_a_completed_run_keeps_its_time_in_the_list(page: Page, service: Service) -> None:
    _, (run_id, _) = insert_comparison(service.home, name="completed", seeds="0", points=20)
    page.goto("/runs")
    expect(page.locator(f"tr[data-run={run_id}] .progress__text")).to_contain_text("20 s")
    set_columns(service.home, run_id, elapsed_seconds=0.0)
    page.reload()
    expect(page.locator(f"tr[data-run={run_id}] .progress__text")).to_contain_text("–")


def test_epochs_are_rounded_wherever_they_are_told(page: Page, pair: tuple[str, str, str]) -> None:
    comparison, stopped, _ = pair
    page.goto(f"/runs/{stopped}")
    expect(page.locator(".progress__text")).to_contain_text("7.7 / 10 epochs")
    expect(page.locator(".tile", has_text="Best top-1")).to_contain_text("epoch 7.7")
    page.goto(f"/comparisons/{comparison}")
    expect(page.get_by_test_id("results")).to_be_visible()
    assert result(page, "Epochs trained") == ["7.7", "0"]
    page.goto(f"/api/v1/comparisons/{comparison}/report.html")
    expect(page.get_by_text("7.7 of 10", exact=True)).to_be_visible()
    expect(page.get_by_text("91.50 % (epoch 7.7)", exact=True)).to_be_visible()
    expect(page.get_by_text("7.72")).to_have_count(0)
