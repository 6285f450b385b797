"""Folders that have a name, in the form: offered, registered and removed as a person does it; and the report's link."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.service import QUICK_CONFIG, Service

pytestmark = pytest.mark.browser


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in ("train/stop", "train/yield", "val/stop"):
        (tmp_path / "Street_Signs" / part).mkdir(parents=True)
    return tmp_path / "Street_Signs"


@pytest.fixture(autouse=True)
def _no_names_left(service: Service) -> Iterator[None]:
    yield
    for item in registered(service):
        service.api.delete(f"/datasets/{item['name']}")


def registered(service: Service) -> list[Any]:
    return [item for item in service.api.get("/datasets").json()["items"] if item["registered"]]


def register(service: Service, name: str, folder: Path) -> None:
    body = {"name": name, "title": f"The {name}", "dataset": "imagefolder", "data_dir": str(folder)}
    assert service.api.post("/datasets", json=body).status_code == 201


def open_form(page: Page) -> None:
    page.goto("/new")
    expect(page.get_by_test_id("field-dataset")).to_be_visible()


def chosen(page: Page) -> str:
    return str(page.get_by_test_id("field-dataset").evaluate("list => list.selectedOptions[0].textContent.trim()"))


def test_a_typed_folder_is_registered_and_its_name_removed_by_keyboard(
    page: Page, service: Service, folder: Path
) -> None:
    open_form(page)
    expect(page.get_by_test_id("register-folder")).to_be_hidden()
    page.get_by_test_id("field-dataset").select_option("imagefolder")
    page.get_by_test_id("field-data_dir").fill(str(folder))
    page.get_by_test_id("field-data_dir").press("Tab")
    expect(page.get_by_test_id("register-folder")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("register-name")).to_have_value("street-signs")
    page.keyboard.type("digits")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("register-error")).to_contain_text("built-in dataset; take another")
    page.get_by_test_id("register-name").fill("signs")
    page.keyboard.press("Enter")

    expect(page.get_by_test_id("registered-as")).to_have_text("Registered as “signs”")
    expect(page.get_by_test_id("remove-name")).to_be_focused()
    assert chosen(page) == "signs"
    assert [(item["name"], item["data_dir"]) for item in registered(service)] == [("signs", str(folder))]

    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_test_id("confirm-ok")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("register-folder")).to_be_focused()
    assert registered(service) == []
    assert chosen(page) == "imagefolder"
    expect(page.get_by_test_id("field-data_dir")).to_have_value(str(folder))


def test_choosing_a_name_fills_in_kind_and_folder_and_a_run_is_launched_with_these(
    page: Page, service: Service, folder: Path
) -> None:
    register(service, "signs", folder)
    open_form(page)
    page.get_by_test_id("field-dataset").select_option(label="The signs (signs)")
    expect(page.get_by_test_id("field-data_dir")).to_have_value(str(folder))
    expect(page.get_by_test_id("registered-as")).to_have_text("Registered as “signs”")
    expect(page.get_by_test_id("derived")).to_contain_text("224")
    page.get_by_test_id("launch").click()
    expect(page.get_by_test_id("run-name")).to_be_visible()
    config = service.api.get("/runs").json()["items"][0]["config"]
    assert (config["dataset"], config["data_dir"]) == ("imagefolder", str(folder))


def test_leaving_a_name_brings_back_what_was_typed(page: Page, service: Service, folder: Path) -> None:
    register(service, "signs", folder)
    open_form(page)
    page.get_by_test_id("field-data_dir").fill("/data/typed by hand")
    page.get_by_test_id("field-dataset").select_option(label="The signs (signs)")
    expect(page.get_by_test_id("field-data_dir")).to_have_value(str(folder))
    page.get_by_test_id("field-dataset").select_option("cifar10")
    expect(page.get_by_test_id("field-data_dir")).to_have_value("/data/typed by hand")
    expect(page.get_by_test_id("registered-as")).to_be_empty()


def test_a_reload_keeps_the_chosen_name(page: Page, service: Service, folder: Path) -> None:
    register(service, "signs", folder)
    open_form(page)
    page.get_by_test_id("field-dataset").select_option(label="The signs (signs)")
    page.reload()
    expect(page.get_by_test_id("registered-as")).to_have_text("Registered as “signs”")
    assert chosen(page) == "The signs (signs)"


def test_names_that_come_and_go_elsewhere_are_seen_at_once(page: Page, service: Service, folder: Path) -> None:
    open_form(page)
    page.get_by_test_id("field-dataset").select_option("imagefolder")
    page.get_by_test_id("field-data_dir").fill(str(folder))
    register(service, "signs", folder)
    expect(page.get_by_test_id("registered-as")).to_have_text("Registered as “signs”")
    service.api.delete("/datasets/signs")
    expect(page.get_by_test_id("registered-as")).to_be_empty()
    expect(page.get_by_test_id("field-data_dir")).to_have_value(str(folder))
    assert chosen(page) == "imagefolder"


def test_a_comparison_leads_to_its_report(page: Page, service: Service) -> None:
    body = {"config": QUICK_CONFIG | {"epochs": 50}, "name": "not <b>yet</b> done"}
    made = service.api.post("/comparisons", json=body).json()
    page.goto(f"/comparisons/{made['id']}")
    with page.context.expect_page() as opened:
        page.get_by_test_id("report").click()
    report = opened.value
    expect(report.locator("h1")).to_have_text("not <b>yet</b> done")
    expect(report.locator("header")).to_contain_text("not finished")
