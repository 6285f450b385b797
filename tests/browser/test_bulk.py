"""What is done to many runs at once touches those that are selected and in view, and says which."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.many_runs import Made, insert_comparison, insert_runs
from tests.support.service import Service

pytestmark = pytest.mark.browser

WAIT = 60_000


@pytest.fixture(autouse=True)
def _nothing_is_left(service: Service) -> Any:
    expect.set_options(timeout=WAIT)
    yield
    while items := service.api.get("/runs", params={"limit": 500}).json()["items"]:
        service.api.post("/runs/actions", json={"action": "stop", "ids": [run["id"] for run in items]})
        service.api.post("/runs/actions", json={"action": "delete", "ids": [run["id"] for run in items]})


def rows(page: Page) -> Any:
    return page.get_by_test_id("run-row")


def check(page: Page, *ids: str) -> None:
    for run_id in ids:
        page.locator(f"tr[data-run={run_id}]").get_by_test_id("row-check").check()


def left(service: Service) -> set[str]:
    return {run["id"] for run in service.api.get("/runs", params={"limit": 500}).json()["items"]}


@pytest.fixture
def mixed(service: Service) -> list[str]:
    """Four that failed, and two that completed."""
    runs = [Made(name=f"failed {n}", age=9 - n, status="failed") for n in range(4)]
    return insert_runs(service.home, [*runs, *(Made(name=f"good {n}", age=3 - n) for n in range(2))])


@pytest.mark.parametrize("hide", ["status", "search"])
def test_what_a_filter_hides_is_neither_touched_nor_passed_over_in_silence(
    page: Page, service: Service, mixed: list[str], hide: str
) -> None:
    page.goto("/runs")
    check(page, mixed[0], mixed[1], mixed[4], mixed[5])
    expect(page.get_by_test_id("bulk-count")).to_have_text("4 selected")
    if hide == "status":
        page.get_by_test_id("status-filter").select_option("failed")
    else:
        page.get_by_test_id("search").fill("failed")
    expect(page.get_by_test_id("bulk-count")).to_have_text("2 selected in view, 2 out of view (left alone)")
    page.get_by_test_id("bulk-delete").click()
    question = page.get_by_test_id("confirm")
    expect(question).to_contain_text("Delete 2 runs?")
    expect(question).to_contain_text("failed 0")
    expect(question).to_contain_text("failed 1")
    expect(question).not_to_contain_text("good")
    expect(question).to_contain_text("2 selected runs are out of view and left alone.")
    page.get_by_test_id("confirm-ok").click()
    expect(rows(page)).to_have_count(2)
    assert left(service) == set(mixed[2:])
    page.get_by_test_id("status-filter").select_option("")
    page.get_by_test_id("search").fill("")
    expect(page.get_by_test_id("bulk-count")).to_have_text("2 selected")


def test_where_all_selected_are_hidden_nothing_can_be_done_to_them(
    page: Page, service: Service, mixed: list[str]
) -> None:
    page.goto("/runs")
    check(page, mixed[4], mixed[5])
    page.get_by_test_id("status-filter").select_option("failed")
    expect(page.get_by_test_id("bulk-count")).to_have_text("0 selected in view, 2 out of view (left alone)")
    for action in ("compare", "pause", "resume", "stop", "delete"):
        expect(page.get_by_test_id(f"bulk-{action}")).to_have_attribute("aria-disabled", "true")
        page.get_by_test_id(f"bulk-{action}").click(force=True)
    expect(page.get_by_test_id("confirm")).to_have_count(0)
    assert left(service) == set(mixed)
    page.get_by_test_id("bulk-clear").click()
    expect(page.get_by_test_id("bulk-bar")).to_be_hidden()


def test_runs_that_cannot_be_acted_on_are_counted_in_the_question(page: Page, service: Service) -> None:
    done = insert_runs(service.home, [Made(name="done", age=5)])
    waiting = [service.launch(epochs=50) for _ in range(2)]
    page.goto("/runs")
    check(page, *done, *waiting)
    page.get_by_test_id("bulk-stop").click()
    expect(page.get_by_test_id("confirm")).to_contain_text("Stop 2 runs?")
    expect(page.get_by_test_id("confirm")).to_contain_text("1 other is left alone, which cannot be stopped now.")
    page.get_by_test_id("confirm-ok").click()
    for run_id in waiting:
        service.wait_for_status(run_id, "stopped")


def test_a_deletion_of_many_names_the_first_and_counts_the_rest(page: Page, service: Service) -> None:
    ids = insert_runs(service.home, [Made(name=f"run {n:03d}", age=400 - n) for n in range(230)])
    page.goto("/runs?sort=name")
    expect(rows(page)).to_have_count(100)
    page.get_by_test_id("check-all").check()
    expect(page.get_by_test_id("bulk-count")).to_have_text("100 selected")
    page.get_by_test_id("show-more").click()
    expect(rows(page)).to_have_count(200)
    page.get_by_test_id("check-all").check()
    page.get_by_test_id("bulk-delete").click()
    question = page.get_by_test_id("confirm")
    expect(question).to_contain_text("Delete 200 runs?")
    expect(question).to_contain_text("run 006")
    expect(question).to_contain_text("and 193 more")
    page.get_by_test_id("confirm-ok").click()
    expect(rows(page)).to_have_count(30)
    assert left(service) == set(ids[200:])


def test_more_runs_than_the_service_takes_at_once_are_deleted_in_parts(page: Page, service: Service) -> None:
    insert_runs(service.home, [Made(name=f"run {n:03d}", age=700 - n) for n in range(510)])
    page.goto("/runs")
    for count in (200, 300, 400, 500, 510):
        page.get_by_test_id("show-more").click()
        expect(rows(page)).to_have_count(count)
    page.get_by_test_id("check-all").check()
    page.get_by_test_id("bulk-delete").click()
    expect(page.get_by_test_id("confirm")).to_contain_text("Delete 510 runs?")
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("empty")).to_be_visible(timeout=2 * WAIT)
    assert left(service) == set()


def test_too_many_for_a_comparison_are_refused_before_the_page_is_left(page: Page, service: Service) -> None:
    insert_runs(service.home, [Made(name=f"run {n:03d}", age=200 - n) for n in range(120)])
    page.goto("/runs")
    page.get_by_test_id("show-more").click()
    expect(rows(page)).to_have_count(120)
    page.get_by_test_id("check-all").check()
    page.get_by_test_id("bulk-compare").click()
    expect(page.get_by_test_id("toast-error")).to_contain_text(
        "120 runs are selected and at most 100 can be compared; leave out 20 or more."
    )
    expect(page).to_have_url(re.compile(r"/runs"))
    expect(rows(page)).to_have_count(120)
    for row in rows(page).all()[:118]:
        row.get_by_test_id("row-check").uncheck()
    page.get_by_test_id("bulk-compare").click()
    expect(page).to_have_url(re.compile(r"/compare\?runs="))
    expect(page.get_by_test_id("member")).to_have_count(2)


def test_the_picker_refuses_too_many_and_keeps_the_choice(page: Page, service: Service) -> None:
    ids = insert_runs(service.home, [Made(name=f"run {n:03d}", age=200 - n) for n in range(101)])
    page.goto(f"/compare?runs={','.join(ids[:100])}")
    expect(page.get_by_test_id("member")).to_have_count(100)
    page.get_by_test_id("choose-runs").click()
    expect(page.get_by_test_id("picker-ok")).to_have_text("Compare 100 runs")
    page.get_by_test_id("picker-search").fill("run 100")
    page.get_by_test_id("run-picker").get_by_role("checkbox").check()
    expect(page.get_by_test_id("picker-error")).to_contain_text("at most 100 can be compared; leave out 1 or more")
    page.get_by_test_id("picker-ok").click(force=True)
    expect(page.get_by_test_id("run-picker")).to_be_visible()
    page.get_by_test_id("run-picker").get_by_role("checkbox").uncheck()
    expect(page.get_by_test_id("picker-error")).to_be_empty()


def test_a_comparison_with_a_run_that_is_gone_shows_the_others_and_says_which(
    page: Page, service: Service, mixed: list[str]
) -> None:
    service.api.delete(f"/runs/{mixed[1]}")
    page.goto(f"/compare?runs={mixed[0]},{mixed[1]},r_mistyped,{mixed[4]}")
    expect(page.get_by_test_id("member")).to_have_count(2)
    expect(page.get_by_test_id("missing-runs")).to_contain_text(
        f"2 runs are missing, deleted or mistyped: {mixed[1]}, r_mistyped."
    )
    page.get_by_test_id("leave-out-missing").click()
    expect(page.get_by_test_id("missing-runs")).to_have_count(0)
    expect(page).to_have_url(re.compile(f"runs={mixed[0]},{mixed[4]}$"))


def test_a_run_that_is_deleted_while_it_is_compared_leaves_the_comparison(
    page: Page, service: Service, mixed: list[str]
) -> None:
    page.goto(f"/compare?runs={mixed[0]},{mixed[4]}")
    expect(page.get_by_test_id("member")).to_have_count(2)
    expect(page.get_by_test_id("connection")).to_contain_text("Live")
    service.api.delete(f"/runs/{mixed[4]}")
    expect(page.get_by_test_id("member")).to_have_count(1)
    expect(page.get_by_test_id("missing-runs")).to_contain_text(f"A run is missing, deleted or mistyped: {mixed[4]}.")


def test_where_none_of_the_runs_is_there_it_says_so(page: Page) -> None:
    page.goto("/compare?runs=r_one,r_two")
    expect(page.get_by_test_id("missing")).to_contain_text("none of these runs exist: 'r_one', 'r_two'")


def test_a_comparison_goes_on_with_the_runs_that_are_left(page: Page, service: Service) -> None:
    comparison, ids = insert_comparison(service.home, name="a pair", seeds="0-1")
    page.goto(f"/comparisons/{comparison}")
    expect(page.get_by_test_id("member")).to_have_count(4)
    expect(page.get_by_test_id("connection")).to_contain_text("Live")
    service.api.delete(f"/runs/{ids[3]}")
    expect(page.get_by_test_id("member")).to_have_count(3)
    for run_id in ids[:3]:
        service.api.delete(f"/runs/{run_id}")
    expect(page.get_by_test_id("missing")).to_contain_text("there is no comparison")


@pytest.mark.parametrize("place", ["run", "compare", "comparison"])
def test_runs_that_are_deleted_while_a_page_asks_for_them_are_not_shown(
    page: Page, service: Service, place: str
) -> None:
    """The stream overtakes the answer, and tells of the deletion once only."""
    comparison, ids = insert_comparison(service.home, name="a pair", seeds="0")
    path = {"run": f"/runs/{ids[1]}", "compare": f"/compare?runs={ids[0]},{ids[1]}"}.get(place)
    asked = f"**/api/v1/runs/{ids[1]}" if place == "run" else "**/api/v1/compare?**"

    def overtaken(route: Route) -> None:
        answer = route.fetch()
        for run_id in ids:
            service.api.delete(f"/runs/{run_id}")
        time.sleep(1)
        route.fulfill(response=answer)

    page.goto("/new")
    expect(page.get_by_test_id("connection")).to_contain_text("Live")
    page.route(asked, overtaken, times=1)
    # Within the page, whose stream is open.
    page.evaluate("(path) => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')); }",
                  path or f"/comparisons/{comparison}")  # fmt: skip
    if place == "run":
        expect(page).to_have_url(re.compile("/runs$"))
        expect(page.locator("body")).to_contain_text("The run was deleted.")
    else:
        said = "there is no comparison" if place == "comparison" else "none of these runs exist"
        expect(page.get_by_test_id("missing")).to_contain_text(said)
