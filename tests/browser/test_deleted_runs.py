"""What a comparison was launched with and has no more is named, on its page as elsewhere."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from backend.cli.run_text import say_comparison
from tests.support.many_runs import insert_comparison
from tests.support.service import Service

pytestmark = pytest.mark.browser

WAIT = 60_000


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=WAIT)


def test_the_page_of_a_comparison_names_the_runs_that_were_deleted(page: Page, service: Service) -> None:
    comparison, runs = insert_comparison(service.home, name="a pair less", seeds="0-2", points=20)
    page.goto(f"/comparisons/{comparison}")
    expect(page.get_by_test_id("member")).to_have_count(6)
    expect(page.get_by_test_id("deleted-runs")).to_have_count(0)
    service.api.delete(f"/runs/{runs[0]}")
    named = page.get_by_test_id("deleted-runs").locator("li")
    expect(named).to_have_text(["Baseline · seed 0 (deleted)"])
    for run_id in runs[2:4]:
        service.api.delete(f"/runs/{run_id}")
    gone = ["Baseline · seed 0 (deleted)", "Baseline · seed 1 (deleted)", "Stochastic depth · seed 1 (deleted)"]
    expect(named).to_have_text(gone)
    expect(page.get_by_test_id("member")).to_have_count(3)
    page.goto("/compare")
    expect(page.get_by_test_id("comparison-card").filter(has_text="a pair less")).to_contain_text("3 runs, 3 deleted")
    page.goto(f"/api/v1/comparisons/{comparison}/report.html")
    told = "Deleted since the launch: baseline, seed 0; baseline, seed 1; stochastic depth, seed 1."
    expect(page.get_by_text(told)).to_be_visible()


def test_so_does_the_command_line(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    comparison, runs = insert_comparison(service.home, name="one less", seeds="5, 2", points=20)
    service.api.delete(f"/runs/{runs[0]}")
    say_comparison(service.api.get(f"/comparisons/{comparison}").json())
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] + line[3:] for line in lines[2:6]] == [
        ["5", "baseline", "deleted"],
        ["5", "sd", "completed"],
        ["2", "baseline", "completed"],
        ["2", "sd", "completed"],
    ]
