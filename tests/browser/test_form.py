"""The form that launches: its check is of the settings that it shows, and what was typed is kept."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.many_runs import Made, insert_runs
from tests.support.service import Service
from tests.support.validation import assert_in_own_words

pytestmark = pytest.mark.browser

WAIT = 60_000
CHECK = "**/api/v1/runs/check"


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=WAIT)


def open_form(page: Page, query: str = "") -> None:
    page.goto(f"/new{query}")
    expect(page.get_by_test_id("field-dataset")).to_be_visible()
    for folded in page.locator("details").all():
        folded.evaluate("node => { node.open = true }")


def fill(page: Page, name: str, text: object) -> None:
    page.get_by_test_id(f"field-{name}").fill(str(text))


def verdict(page: Page) -> Any:
    return page.get_by_test_id("check-verdict")


def expect_checked(page: Page) -> None:
    expect(verdict(page)).to_have_text("These settings fit together.")


def test_figures_of_other_settings_are_gone_when_the_check_refuses(page: Page) -> None:
    open_form(page)
    expect(page.get_by_test_id("derived")).to_contain_text("440")
    for dataset in ("cifar10", "imagenet"):
        page.get_by_test_id("field-dataset").select_option(dataset)
        expect(page.get_by_test_id("error-data_dir")).to_contain_text(f"{dataset} needs data_dir")
        expect(page.get_by_test_id("derived")).to_have_text("")
        expect(page.get_by_test_id("warnings")).to_have_text("")
        expect(page.get_by_test_id("field-image_size")).to_have_attribute("placeholder", "default")
    page.get_by_test_id("field-dataset").select_option("digits")
    expect(page.get_by_test_id("derived")).to_contain_text("440")
    expect(page.get_by_test_id("error-data_dir")).to_have_text("")


def test_while_the_check_is_asked_nothing_is_said_of_what_was_there_before(page: Page) -> None:
    open_form(page)
    expect_checked(page)
    expect(page.get_by_test_id("derived")).to_contain_text("440")
    held: list[Route] = []
    page.route(CHECK, lambda route: held.append(route))
    fill(page, "epochs", 7)
    expect(verdict(page)).to_have_text("Checking")
    expect(page.get_by_test_id("derived")).not_to_contain_text("440")
    while not held:
        page.wait_for_timeout(20)
    held[0].continue_()
    expect(page.get_by_test_id("derived")).to_contain_text("308")


def test_fast_typing_ends_with_the_check_of_what_stands_there(page: Page) -> None:
    open_form(page)
    field = page.get_by_test_id("field-epochs")
    field.fill("")
    field.press_sequentially("1234", delay=30)
    expect(page.get_by_test_id("derived")).to_contain_text(str(44 * 1234))
    expect_checked(page)


def test_a_preset_is_checked_as_itself(page: Page, service: Service) -> None:
    presets = {preset["name"]: preset for preset in service.api.get("/presets").json()["items"]}
    open_form(page)
    expect(page.get_by_test_id("derived")).to_contain_text("440")
    for name, preset in presets.items():
        page.get_by_test_id(f"preset-{name}").check(force=True)
        answer = service.api.post("/runs/check", json={"config": preset["config"]})
        if answer.status_code == 200:
            expect(page.get_by_test_id("derived")).to_contain_text(f"{answer.json()['derived']['lr']:g}")
            expect_checked(page)
        else:
            expect(verdict(page)).to_contain_text("needs a change")
            expect(page.get_by_test_id("derived")).to_have_text("")


def test_a_check_without_an_answer_says_nothing_of_the_settings_and_mends_itself(
    browser: Browser, service: Service
) -> None:
    page = browser.new_context(base_url=service.url).new_page()
    open_form(page)
    fill(page, "epochs", "ten")
    expect(page.get_by_test_id("error-epochs")).to_contain_text("'ten'")
    page.route(CHECK, lambda route: route.abort())
    fill(page, "epochs", "eleven")
    expect(verdict(page)).to_contain_text("does not answer")
    expect(page.get_by_test_id("error-epochs")).to_have_text("")
    expect(page.get_by_test_id("derived")).to_have_text("")
    page.unroute(CHECK)
    page.evaluate("() => { dispatchEvent(new Event('offline')); dispatchEvent(new Event('online')); }")
    expect(page.get_by_test_id("error-epochs")).to_contain_text("'eleven'")
    page.context.close()


@pytest.mark.parametrize(
    ("typed", "label", "seeds"),
    [
        ("0", "Launch 2 runs (2 arms × 1 seed)", [0]),
        ("0-4", "Launch 10 runs (2 arms × 5 seeds)", [0, 1, 2, 3, 4]),
        ("0, 2, 5-7", "Launch 10 runs (2 arms × 5 seeds)", [0, 2, 5, 6, 7]),
        ("9223372036854775807", "Launch 2 runs (2 arms × 1 seed)", [2**63 - 1]),
    ],
)
def test_seeds_are_lists_and_ranges_and_the_button_tells_how_many_runs(
    page: Page, typed: str, label: str, seeds: list[int]
) -> None:
    open_form(page, "?kind=comparison")
    fill(page, "seeds", typed)
    expect(page.get_by_test_id("launch")).to_have_text(label)
    expect_checked(page)
    sent: list[Any] = []
    answer = {"status": 409, "content_type": "application/problem+json", "body": json.dumps({"detail": "Not now."})}
    page.route("**/api/v1/comparisons", lambda route: (sent.append(route.request.post_data), route.fulfill(**answer)))
    page.get_by_test_id("launch").click()
    expect(page.get_by_test_id("toast-error")).to_contain_text("Not now.")
    assert [int(seed) for seed in json.loads(sent[0])["seeds"]] == seeds


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("0:4", "seed '0:4' is neither a whole number of 0 or more nor a range of them"),
        ("4-0", "the range 4-0 of seeds ends before it begins; write 0-4"),
        ("0-50", "51 seeds are named and a comparison has at most 50; name fewer"),
        ("1, 0-3", "seed 1 is named twice; leave one out"),
        ("", "no seed is named"),
    ],
)
def test_seeds_are_checked_while_they_are_typed(page: Page, typed: str, sentence: str) -> None:
    open_form(page, "?kind=comparison")
    fill(page, "seeds", typed)
    expect(page.get_by_test_id("error-seeds")).to_contain_text(sentence)
    expect(verdict(page)).to_contain_text("1 field needs a change: ")
    expect(page.get_by_test_id("launch")).to_have_text("Launch comparison")
    fill(page, "seeds", "0-1")
    expect(page.get_by_test_id("error-seeds")).to_have_text("")
    expect_checked(page)


def test_name_tags_and_notes_are_checked_while_they_are_typed(page: Page) -> None:
    open_form(page)
    fill(page, "name", "n" * 201)
    fill(page, "tags", ", ".join(f"t{n}" for n in range(21)))
    fill(page, "notes", "x" * 20_001)
    expect(page.get_by_test_id("error-name")).to_contain_text("name has 201 characters; give at most 200")
    expect(page.get_by_test_id("error-tags")).to_contain_text("tags has 21 entries; give at most 20")
    expect(page.get_by_test_id("error-notes")).to_contain_text("notes has 20001 characters; give at most 20000")
    expect(verdict(page)).to_have_text("3 fields need a change: Name, Tags, Notes.")


def test_no_setting_typed_wrongly_is_told_of_in_pydantics_words(page: Page) -> None:
    open_form(page)
    for field in page.locator(".config-form input[type=text]").all():
        field.fill("no such thing")
    expect(page.get_by_test_id("error-epochs")).to_contain_text("give one from 1 to 10000")
    wrong = page.locator(".field__error").filter(has_text="no such thing")
    expect(wrong.nth(15)).to_be_visible()
    assert_in_own_words(" ".join(page.locator(".field__error").all_inner_texts()))


@pytest.mark.parametrize("kind", ["one", "comparison"])
def test_a_preset_keeps_what_was_typed_beside_the_settings(page: Page, kind: str) -> None:
    open_form(page, f"?kind={kind}")
    typed = {"name": "my own", "tags": "a, b", "notes": "to find out"}
    if kind == "comparison":
        typed["seeds"] = "0-2"
    for name, text in typed.items():
        fill(page, name, text)
    page.get_by_test_id("preset-imagenet-resnet50").check(force=True)
    expect(page.get_by_test_id("field-depth")).to_have_value("50")
    for name, text in typed.items():
        expect(page.get_by_test_id(f"field-{name}")).to_have_value(text)
    page.reload()
    expect(page.get_by_test_id("field-depth")).to_have_value("50")
    for name, text in typed.items():
        expect(page.get_by_test_id(f"field-{name}")).to_have_value(text)


def test_a_preset_takes_back_what_only_a_copy_had_brought(page: Page, service: Service) -> None:
    run_id = service.launch(epochs=50)
    service.act(run_id, "stop")
    name = service.run(run_id)["name"]
    open_form(page, f"?clone={run_id}")
    expect(page.get_by_test_id("field-name")).to_have_value(f"{name} copy")
    fill(page, "notes", "typed")
    page.get_by_test_id("preset-demo").check(force=True)
    expect(page.get_by_test_id("field-name")).to_have_value("")
    expect(page.get_by_test_id("field-notes")).to_have_value("typed")


def test_coming_back_to_the_form_finds_what_was_typed(page: Page) -> None:
    open_form(page)
    page.get_by_test_id("preset-imagenet-resnet50").check(force=True)
    fill(page, "name", "half typed")
    page.get_by_test_id("nav-runs").click()
    page.get_by_test_id("nav-new").click()
    expect(page.get_by_test_id("field-name")).to_have_value("half typed")
    expect(page).to_have_url(re.compile("preset=imagenet-resnet50"))
    page.get_by_test_id("start-over").click()
    expect(page.get_by_test_id("field-name")).to_have_value("")


def test_a_seed_that_a_pair_does_not_use_does_not_stand_in_its_way(page: Page, service: Service) -> None:
    open_form(page)
    fill(page, "seed", "one")
    expect(page.get_by_test_id("error-seed")).to_contain_text("'one'")
    page.get_by_test_id("kind-comparison").check(force=True)
    expect_checked(page)
    page.get_by_test_id("launch").click()
    expect(page).to_have_url(re.compile("/comparisons/c_"))
    seeds = [run["config"]["seed"] for run in service.api.get("/runs").json()["items"][:2]]
    assert seeds == [0, 0]


def test_what_was_typed_for_one_run_is_told_of_all_runs_of_a_pair(page: Page, service: Service) -> None:
    open_form(page)
    told = {"name": "kept", "tags": "first, of a pair", "notes": "does it help?"}
    for name, text in told.items():
        fill(page, name, text)
    page.get_by_test_id("kind-comparison").check(force=True)
    for name, text in told.items():
        expect(page.get_by_test_id(f"field-{name}")).to_have_value(text)
        expect(page.get_by_test_id(f"field-{name}")).to_be_visible()
    page.get_by_test_id("launch").click()
    expect(page.get_by_test_id("comparison-name")).to_have_text("kept")
    (made, *_) = service.api.get("/comparisons").json()["items"]
    for run in (service.run(run["id"]) for run in made["runs"]):
        assert (run["tags"], run["notes"]) == (["first", "of a pair"], "does it help?")


@pytest.mark.parametrize("kind", ["", "&kind=comparison"])
def test_a_copy_of_a_run_that_is_gone_says_so_and_offers_an_empty_form(page: Page, service: Service, kind: str) -> None:
    (origin,) = insert_runs(service.home, [Made(name="to copy", age=1)])
    open_form(page, f"?clone={origin}")
    expect(page.get_by_test_id("field-name")).to_have_value("to copy copy")
    assert service.api.delete(f"/runs/{origin}").status_code == 204
    page.goto(f"/new?clone={origin}{kind}")
    expect(page.get_by_test_id("missing")).to_contain_text(f"The run {origin}, of which this was to be a copy,")
    expect(page.get_by_test_id("missing")).to_contain_text("deleted")
    expect(page.get_by_text("Try again")).to_have_count(0)
    page.get_by_test_id("empty-form").click()
    expect(page.get_by_test_id("field-dataset")).to_be_visible()
    expect(page.get_by_test_id("field-name")).to_have_value("")
    expect(page).not_to_have_url(re.compile("clone"))
