"""Long lists: what an address names is found however old it is, and who comes back finds the place again."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, Route, expect

from tests.support.many_runs import Made, insert_runs
from tests.support.service import Service

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("crowd")]

WAIT = 60_000
CROWD = 1200
#: Does the chart show so many curves that have points?
SHOWS = """
([chart, count]) => {
  const traces = document.querySelector(`[data-testid=chart-${chart}] .js-plotly-plot`)?.data ?? [];
  return traces.filter((trace) => trace.x.length).length === count;
}
"""

#: Counts in window.timesHidden how often an element is hidden from now on.
COUNT_HIDING = """
(element) => {
  window.timesHidden = 0;
  const count = () => { window.timesHidden += element.hidden ? 1 : 0; };
  new MutationObserver(count).observe(element, { attributes: true, attributeFilter: ["hidden"] });
}
"""


@pytest.fixture(scope="module")
def crowd(service: Service) -> list[str]:
    """1,200 runs, the oldest first; "seed 1" is part of no name but that of the very oldest."""
    expect.set_options(timeout=WAIT)
    runs = [
        Made(
            name=f"run {number:04d}" if number else "the oldest, seed 1",
            age=10 + CROWD - number,
            status="failed" if number % 100 == 5 else "completed",
            tags=["ancient"] if number < 3 else [],
            notes="kept for reference" if number == 2 else "",
            points=20 if number < 3 else 0,
        )
        for number in range(CROWD)
    ]
    return insert_runs(service.home, runs)


def rows(page: Page) -> Any:
    return page.get_by_test_id("run-row")


def open_list(page: Page, query: str = "") -> None:
    page.goto(f"/runs{query}")
    expect(page.locator(".page__sub").first).to_have_text("More than 1,000 runs")


def expect_curves(page: Page, chart: str, count: int) -> None:
    page.wait_for_function(SHOWS, arg=[chart, count], timeout=WAIT)


class TestSearch:
    def test_an_address_with_a_search_finds_a_run_beyond_the_newest_thousand(
        self, page: Page, crowd: list[str]
    ) -> None:
        page.goto("/runs?q=oldest")
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_have_attribute("data-run", crowd[0])

    def test_a_search_does_not_look_into_ids(self, page: Page, crowd: list[str], service: Service) -> None:
        open_list(page)
        page.get_by_test_id("search").fill("seed 1")
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_have_attribute("data-run", crowd[0])
        for q in ("seed 1", "1", "kept FOR", "run 000", "ancient"):
            page.get_by_test_id("search").fill(q)
            expect(page.get_by_test_id("list-note")).not_to_have_text("Looking")
            found = service.api.get("/runs", params={"q": q, "limit": 100}).json()["items"]
            expect(rows(page)).to_have_count(len(found))
            shown = rows(page).evaluate_all("rows => rows.map(row => row.dataset.run)")
            assert shown == [run["id"] for run in found], q

    def test_an_id_is_found(self, page: Page, crowd: list[str]) -> None:
        open_list(page)
        page.get_by_test_id("search").fill(crowd[7])
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_have_attribute("data-run", crowd[7])

    def test_an_address_with_a_status_looks_through_all_runs(self, page: Page, crowd: list[str]) -> None:
        page.goto("/runs?status=failed")
        expect(rows(page)).to_have_count(12)
        expect(rows(page).last).to_have_attribute("data-run", crowd[5])

    def test_an_address_with_a_sort_sorts_all_runs(self, page: Page, crowd: list[str]) -> None:
        for sort, first in (("created_at", crowd[0]), ("name", crowd[1]), ("-name", crowd[0])):
            page.goto(f"/runs?sort={sort}")
            expect(rows(page).first).to_have_attribute("data-run", first)

    def test_a_search_that_finds_nothing_says_so(self, page: Page) -> None:
        page.goto("/runs?q=no+such+run")
        expect(page.get_by_test_id("list-note")).to_contain_text("No run matches")
        page.get_by_test_id("search").fill("")
        expect(rows(page)).to_have_count(100)

    def test_the_list_can_be_shown_to_its_end(self, page: Page, crowd: list[str]) -> None:
        open_list(page)
        expect(page.get_by_test_id("show-more")).to_be_visible()
        while page.get_by_test_id("show-more").is_visible():
            before = rows(page).count()
            page.get_by_test_id("show-more").click()
            expect(rows(page)).to_have_count(min(before + 100, CROWD))
        expect(rows(page).last).to_have_attribute("data-run", crowd[0])

    def test_more_can_be_shown_before_the_first_answer(self, page: Page) -> None:
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        page.route(re.compile(r"/api/v1/runs\?.*limit=100\b"), hold)
        open_list(page)
        page.route(re.compile(r"/api/v1/runs\?"), hold)
        page.get_by_test_id("show-more").evaluate(COUNT_HIDING)
        for count in range(200, 1001, 100):
            page.get_by_test_id("show-more").click()
            expect(rows(page)).to_have_count(count)
        page.get_by_test_id("show-more").click()
        assert page.evaluate("window.timesHidden") == 0
        page.unroute_all()
        for route in held:
            with contextlib.suppress(PlaywrightError):  # The page has given up all but the last of them.
                route.continue_()
        expect(rows(page)).to_have_count(1100)

    def test_the_picker_finds_old_runs_too(self, page: Page) -> None:
        page.goto("/compare")
        page.get_by_test_id("choose-runs").click()
        picker = page.get_by_test_id("run-picker")
        expect(picker.get_by_role("checkbox")).to_have_count(50)
        page.get_by_test_id("picker-search").fill("run 000")
        # Every word has to match, wherever it stands: 0001 to 0009, and 1000.
        expect(picker.get_by_role("checkbox")).to_have_count(10)
        for box in picker.get_by_role("checkbox").all()[:2]:
            box.check()
        page.get_by_test_id("picker-search").fill("0500")
        expect(page.get_by_test_id("picker-note")).to_contain_text("2 chosen ones are not in this list")
        page.get_by_test_id("picker-ok").click()
        expect(page.get_by_test_id("member")).to_have_count(2)


class TestOldRuns:
    def test_a_comparison_of_old_runs_shows_their_curves(self, page: Page, crowd: list[str]) -> None:
        page.goto(f"/compare?runs={crowd[0]},{crowd[1]}")
        expect(page.get_by_test_id("member")).to_have_count(2)
        expect(page.get_by_test_id("connection")).to_contain_text("Live")
        expect_curves(page, "train-loss", 2)
        expect(page.get_by_test_id("member").first).to_contain_text("the oldest, seed 1")
        expect(page.get_by_test_id("member").first.get_by_test_id("status-chip")).to_have_text("completed")

    def test_they_stay_when_the_page_is_loaded_anew(self, page: Page, crowd: list[str]) -> None:
        page.goto(f"/compare?runs={crowd[0]},{crowd[1]}")
        expect_curves(page, "train-loss", 2)
        page.reload()
        expect(page.get_by_test_id("connection")).to_contain_text("Live")
        expect_curves(page, "train-loss", 2)

    def test_the_page_of_an_old_run_shows_it(self, page: Page, crowd: list[str]) -> None:
        page.goto(f"/runs/{crowd[2]}")
        expect(page.get_by_test_id("run-name")).to_have_text("run 0002")
        expect_curves(page, "loss", 1)
        expect(page.get_by_test_id("connection")).to_contain_text("Live")
        expect(page.get_by_test_id("run-name")).to_have_text("run 0002")


class TestComingBack:
    @pytest.fixture
    def left(self, page: Page) -> tuple[Page, str, float]:
        """The list, filtered, shown further, two selected, scrolled to a row; and that row's page opened from it."""
        open_list(page, "?status=completed&sort=created_at")
        for count in (200, 300):
            page.get_by_test_id("show-more").click()
            expect(rows(page)).to_have_count(count)
        row = rows(page).nth(250)
        row.scroll_into_view_if_needed()
        row.get_by_test_id("row-check").check()
        rows(page).nth(245).get_by_test_id("row-check").check()
        top = row.bounding_box()
        assert top is not None
        run_id = row.get_attribute("data-run")
        assert run_id is not None
        row.get_by_test_id("row-open").click()
        expect(page.get_by_test_id("run-name")).to_be_visible()
        expect(page).to_have_url(re.compile(run_id))
        return page, run_id, top["y"]

    def expect_the_place(self, page: Page, run_id: str, top: float) -> None:
        expect(page).to_have_url(re.compile(r"/runs\?.*status=completed"))
        expect(page.get_by_test_id("status-filter")).to_have_value("completed")
        expect(rows(page)).to_have_count(300)
        expect(page.get_by_test_id("bulk-count")).to_have_text("2 selected")
        row = page.locator(f"[data-testid=run-row][data-run={run_id}]")
        expect(row).to_be_in_viewport()
        page.wait_for_function(
            "([id, top]) => { const row = document.querySelector(`tr[data-run=${id}]`); "
            "return Math.abs(row.getBoundingClientRect().top - top) < 3; }",
            arg=[run_id, top],
        )

    def test_going_back_restores_filter_rows_selection_and_scroll(self, left: tuple[Page, str, float]) -> None:
        page, run_id, top = left
        page.go_back()
        self.expect_the_place(page, run_id, top)

    def test_so_does_the_way_up_from_the_run(self, left: tuple[Page, str, float]) -> None:
        page, run_id, top = left
        page.get_by_test_id("to-list").click()
        self.expect_the_place(page, run_id, top)

    def test_so_does_a_page_loaded_anew_on_the_way(self, left: tuple[Page, str, float]) -> None:
        page, run_id, top = left
        page.reload()
        expect(page.get_by_test_id("run-name")).to_be_visible()
        page.go_back()
        self.expect_the_place(page, run_id, top)
        page.reload()
        self.expect_the_place(page, run_id, top)

    def test_runs_that_came_meanwhile_do_not_push_the_place_away(self, page: Page, service: Service) -> None:
        open_list(page)
        row = rows(page).nth(60)
        row.scroll_into_view_if_needed()
        run_id, box = row.get_attribute("data-run"), row.bounding_box()
        assert run_id is not None
        assert box is not None
        row.get_by_test_id("row-open").click()
        expect(page.get_by_test_id("run-name")).to_be_visible()
        made = insert_runs(service.home, [Made(name=f"newer {n}", age=1) for n in range(5)])
        page.go_back()
        expect(page.locator(f"[data-run={made[0]}]")).to_have_count(1)
        expect(page.locator(f"[data-run={run_id}]")).to_be_in_viewport()
        for newer in made:
            service.api.delete(f"/runs/{newer}")

    def test_another_page_begins_at_its_top(self, left: tuple[Page, str, float]) -> None:
        page, _, _ = left
        assert page.evaluate("scrollY") == 0
        page.get_by_test_id("nav-runs").click()
        expect(rows(page)).to_have_count(100)
        assert page.evaluate("scrollY") == 0


class TestAServiceThatWasAway:
    """What could not be loaded meanwhile is there by itself once the service is back."""

    @pytest.mark.parametrize(
        ("path", "there"), [("/new", "launch"), ("/compare", "choose-runs"), ("/runs?q=run", "run-row")]
    )
    def test_a_page_that_could_not_be_loaded_is_loaded_again(
        self, page: Page, service: Service, path: str, there: str
    ) -> None:
        page.goto("/runs")
        expect(page.get_by_test_id("connection")).to_contain_text("Live", timeout=WAIT)
        page.route("**/api/v1/**", lambda route: route.abort())
        (api,) = service.processes("backend.serve")
        api.kill()
        page.evaluate(
            "path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')); }", path
        )
        expect(page.get_by_text("ResDrop does not answer").first).to_be_visible(timeout=WAIT)
        page.unroute("**/api/v1/**")
        expect(page.get_by_test_id("connection")).to_contain_text("Live", timeout=WAIT)
        expect(page.get_by_test_id(there).first).to_be_visible(timeout=WAIT)
        expect(page.get_by_text("ResDrop does not answer")).to_have_count(0, timeout=WAIT)
