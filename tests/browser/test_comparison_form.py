"""A comparison is designed in the form: its arms, seeds and plan, with what it would take and could show beside it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.service import Service

pytestmark = pytest.mark.browser

WAIT = 60_000


@pytest.fixture(autouse=True)
def _patience(service: Service) -> Any:
    expect.set_options(timeout=WAIT)
    yield
    ids = [run["id"] for run in service.api.get("/runs", params={"limit": 500}).json()["items"]]
    if ids:
        service.api.post("/runs/actions", json={"action": "stop", "ids": ids})


@pytest.fixture
def form(page: Page) -> Page:
    page.goto("/new?kind=comparison")
    expect(page.get_by_test_id("arm")).to_have_count(2)
    return page


def fill(page: Page, name: str, text: str) -> None:
    page.get_by_test_id(f"field-{name}").fill(text)


def expect_good(page: Page) -> None:
    expect(page.get_by_test_id("check-verdict")).to_have_text("These settings fit together.")


def test_seeds_are_told_what_they_can_show_while_they_are_typed(form: Page) -> None:
    headline = form.get_by_test_id("preview-headline")
    expect(headline).to_contain_text("One seed says nothing of other seeds")
    fill(form, "seeds", "0-4")
    expect(headline).to_contain_text(re.compile(r"^5 seeds: an interval of about ±\d"))
    expect(form.get_by_test_id("derived")).to_contain_text("10")
    fill(form, "seeds", "0-9")
    expect(headline).to_contain_text("10 seeds: ")
    form.get_by_test_id("kind-one").check(force=True)
    expect(form.get_by_test_id("preview")).to_be_hidden()
    expect_good(form)


def test_a_template_brings_its_arms_and_they_may_be_changed(form: Page, service: Service) -> None:
    form.get_by_test_id("field-template").select_option("survival")
    expect(form.get_by_test_id("arm")).to_have_count(5)
    expect(form.get_by_test_id("launch")).to_have_text("Launch 5 runs (5 arms × 1 seed)")
    # Only what every arm sets is taken from the form.
    expect(form.get_by_test_id("field-sd")).to_be_disabled()
    expect(form.get_by_test_id("field-pL")).to_be_enabled()
    for _ in range(2):
        form.get_by_test_id("arm-remove").last.click()
    expect(form.get_by_test_id("field-template")).to_have_value("own")
    form.get_by_test_id("arm-name").nth(2).fill("weaker")
    form.get_by_test_id("arm-settings").nth(2).fill("sd=true, pL=0.95")
    fill(form, "seeds", "3")
    fill(form, "name", "a sweep")
    expect_good(form)
    form.get_by_test_id("launch").click()
    expect(form.get_by_test_id("comparison-name")).to_have_text("a sweep")
    (made, *_) = service.api.get("/comparisons").json()["items"]
    assert [(arm["name"], arm["settings"]) for arm in made["arms"]] == [
        ("baseline", {"sd": False}),
        ("pL 0.9", {"sd": True, "pL": 0.9}),
        ("weaker", {"sd": True, "pL": 0.95}),
    ]
    assert made["seeds"] == [3]


def test_any_setting_may_be_varied(form: Page) -> None:
    form.get_by_test_id("vary-setting").select_option("label_smoothing")
    form.get_by_test_id("vary-values").fill("0, 0.1, 0.2")
    form.get_by_test_id("vary-values").press("Enter")
    expect(form.get_by_test_id("arm")).to_have_count(3)
    expect(form.get_by_test_id("arm-settings").nth(2)).to_have_value("label_smoothing=0.2")
    expect_good(form)


def test_more_values_than_arms_are_told_and_not_left_out(form: Page) -> None:
    form.get_by_test_id("vary-values").fill("0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9")
    form.get_by_test_id("vary").click()
    expect(form.get_by_test_id("arm")).to_have_count(9)
    expect(form.get_by_test_id("error-arms")).to_have_text("arms has 9 entries; give at most 8")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("pL=7", "pL 7 exceeds 1"),
        ("sd", "sd '' is neither yes nor no"),
        ("colour=red", "'colour' is no setting"),
        ("seed=3", "seed is set by the comparison"),
        ("sd=false", "train the same"),
        ("sd=true, pL=0.8, pL=0.9", "pL '0.8 and 0.9' is not a number"),
    ],
)
def test_an_arm_that_does_not_fit_is_told_beside_it(form: Page, settings: str, said: str) -> None:
    form.get_by_test_id("arm-settings").nth(1).fill(settings)
    expect(form.get_by_test_id("arm-error").nth(1)).to_contain_text(said)
    expect(form.get_by_test_id("check-verdict")).to_contain_text("Arms")
    form.get_by_test_id("launch").click()
    expect(form.get_by_test_id("arm-name").nth(1)).to_be_focused()
    form.get_by_test_id("arm-settings").nth(1).fill("sd=true")
    expect_good(form)
    expect(form.get_by_test_id("arm-error").nth(1)).to_have_text("")


def test_two_arms_of_one_name_are_told(form: Page) -> None:
    form.get_by_test_id("arm-name").nth(1).fill("baseline")
    expect(form.get_by_test_id("error-arms")).to_have_text("two arms are named 'baseline'; give each its own name")


def test_a_plan_shows_only_what_belongs_to_it(form: Page, service: Service) -> None:
    expect(form.get_by_test_id("field-margin")).to_be_hidden()
    expect(form.get_by_test_id("field-max_seeds")).to_be_hidden()
    form.get_by_test_id("field-question").select_option("non_inferiority")
    expect(form.get_by_test_id("error-margin")).to_contain_text("non_inferiority needs a margin above 0")
    fill(form, "margin", "0.5")
    form.get_by_test_id("field-stopping").select_option("sequential")
    fill(form, "max_seeds", "x")
    expect(form.get_by_test_id("error-max_seeds")).to_contain_text("'x' is not a whole number")
    fill(form, "max_seeds", "12")
    expect(form.get_by_test_id("preview-headline")).to_contain_text("Up to 12 seeds: arms that are alike")
    expect(form.get_by_test_id("launch")).to_have_text("Launch 2 runs (2 arms × 1 seed) to begin with")
    form.get_by_test_id("launch").click()
    expect(form).to_have_url(re.compile("/comparisons/c_"))
    (made, *_) = service.api.get("/comparisons").json()["items"]
    plan = made["plan"]
    assert (plan["question"], plan["margin"], plan["stopping"], plan["max_seeds"]) == (
        "non_inferiority",
        0.5,
        "sequential",
        12,
    )


def test_a_design_is_kept_over_a_reload(form: Page) -> None:
    form.get_by_test_id("field-template").select_option("sd-mode")
    form.get_by_test_id("arm-name").nth(1).fill("rows")
    form.get_by_test_id("field-stopping").select_option("sequential")
    form.reload()
    expect(form.get_by_test_id("arm-name").nth(1)).to_have_value("rows")
    expect(form.get_by_test_id("field-stopping")).to_have_value("sequential")
    form.get_by_test_id("start-over").click()
    expect(form.get_by_test_id("arm")).to_have_count(2)
    expect(form.get_by_test_id("field-stopping")).to_have_value("fixed")


def test_an_address_of_an_earlier_version_means_a_comparison(page: Page) -> None:
    page.goto("/new?kind=pair")
    expect(page.get_by_test_id("kind-comparison")).to_be_checked()


#: Of the focused element: is its middle seen, or covered by something else?
IS_SEEN = """
() => {
  const node = document.activeElement;
  const { left, top, width, height } = node.getBoundingClientRect();
  const there = document.elementFromPoint(left + width / 2, top + height / 2);
  return [node.name || node.tagName, node === document.body || node.contains(there) || there?.contains(node) || false];
}
"""


def test_no_field_that_gets_the_focus_on_a_phone_is_covered(form: Page) -> None:
    form.set_viewport_size({"width": 390, "height": 760})
    fill(form, "seeds", "0-4")
    expect_good(form)
    form.get_by_test_id("field-name").focus()
    covered = []
    for _ in range(45):
        form.keyboard.press("Tab")
        name, is_seen = form.evaluate(IS_SEEN)
        covered += [] if is_seen else [name]
    assert covered == []


@pytest.mark.parametrize(("width", "height"), [(1440, 700), (390, 760)])
def test_all_that_the_check_says_is_reached_and_so_is_the_button(form: Page, width: int, height: int) -> None:
    form.set_viewport_size({"width": width, "height": height})
    fill(form, "seeds", "0-4")
    expect_good(form)
    if width < 960:
        expect(form.get_by_test_id("preview")).to_be_hidden()
        form.get_by_test_id("check-details").click()
    form.locator(".preview__more summary").click()
    expect(form.locator(".preview table")).to_be_visible()
    panel = form.locator(".launch-panel")
    assert panel.evaluate("node => node.scrollWidth - node.clientWidth") <= 0
    assert form.locator(".launch-panel__more").evaluate("node => node.scrollWidth - node.clientWidth") <= 0
    expect(form.get_by_test_id("launch")).to_be_in_viewport(ratio=1)
    form.locator(".preview table tr").last.scroll_into_view_if_needed()
    expect(form.locator(".preview table tr").last).to_be_in_viewport(ratio=0.9)
