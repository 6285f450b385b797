"""The main job as a person does it: launch a pair from the form, watch, pause, resume, compare."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.service import Service

pytestmark = pytest.mark.browser

WAIT = 60_000
#: What a chart shows: the steps of its first curve.
PLOTTED_STEPS = """
card => [...(card.querySelector('.js-plotly-plot')?.data ?? [])].filter(t => t.x.length)[0]?.x.map(Number) ?? []
"""


def fill_in(page: Page, **settings: object) -> None:
    """Types into the form's fields, opening what is folded."""
    for folded in page.locator("details").all():
        folded.evaluate("node => { node.open = true }")
    for name, value in settings.items():
        page.get_by_test_id(f"field-{name}").fill(str(value))


def plotted_steps(page: Page, chart: str) -> list[float]:
    steps: list[float] = page.get_by_test_id(f"chart-{chart}").evaluate(PLOTTED_STEPS)
    return steps


def test_a_pair_is_launched_watched_paused_resumed_and_compared(
    page: Page, service: Service, screenshots: Path
) -> None:
    page.goto("/")
    page.get_by_test_id("new-run").first.click()
    page.get_by_test_id("preset-demo").click()
    page.get_by_test_id("kind-comparison").check(force=True)
    fill_in(page, epochs=3, bn_reestimate=4, log_every=2)
    page.screenshot(path=screenshots / "new.png", full_page=True)
    page.get_by_test_id("launch").click()
    expect(page).to_have_url(re.compile(r"/(compare|comparisons)"), timeout=WAIT)

    page.get_by_test_id("nav-runs").first.click()
    expect(page.get_by_test_id("run-row")).to_have_count(2)
    baseline = page.get_by_test_id("run-row").filter(has=page.get_by_text("Baseline", exact=True))
    expect(baseline.get_by_test_id("status-chip")).to_have_text("running", timeout=WAIT)
    baseline.get_by_test_id("row-open").click()

    page.wait_for_function("() => document.documentElement.dataset.lastPaint", timeout=WAIT)
    first = plotted_steps(page, "loss")
    service.wait_until(lambda: len(plotted_steps(page, "loss")) > len(first) + 3, seconds=60, what="the curve to grow")

    page.get_by_test_id("pause").click()
    expect(page.get_by_test_id("status-chip").first).to_have_text("paused", timeout=WAIT)
    assert service.trainers() == []
    page.screenshot(path=screenshots / "run-paused.png", full_page=True)
    page.get_by_test_id("resume").click()
    expect(page.get_by_test_id("status-chip").first).to_have_text("completed", timeout=2 * WAIT)
    steps = plotted_steps(page, "loss")
    assert steps == list(range(2, 133, 2)), "a pause left a gap or a repetition in the curve"

    page.get_by_test_id("to-comparison").click()
    expect(page.get_by_test_id("verdict")).to_be_visible(timeout=2 * WAIT)
    expect(page.get_by_test_id("differences")).to_contain_text("Stochastic depth")
    expect(page.get_by_test_id("results")).to_contain_text("%")
    page.wait_for_timeout(1500)
    page.screenshot(path=screenshots / "compare.png", full_page=True)


@pytest.fixture(scope="module")
def finished(service: Service) -> dict[str, Any]:
    """A short run that is over, to look at."""
    run_id = service.launch(epochs=2, sd=True)
    return service.wait_for_status(run_id, "completed", seconds=90)


def test_a_page_loaded_in_the_middle_shows_the_whole_curve_and_goes_on(page: Page, service: Service) -> None:
    run_id = service.launch(epochs=4, log_every=1)
    service.wait_for_step(run_id, 15)
    page.goto(f"/runs/{run_id}")
    expect(page.get_by_test_id("status-chip").first).to_have_text("completed", timeout=2 * WAIT)
    page.wait_for_timeout(1000)
    assert plotted_steps(page, "loss") == list(range(1, 45))


def test_mistyped_settings_are_named_beside_their_field_and_kept(page: Page, service: Service) -> None:
    before = len(service.api.get("/runs").json()["items"])
    page.goto("/new")
    fill_in(page, epochs="ten", batch=5000, pL=1.5)
    page.get_by_test_id("launch").click()
    expect(page.get_by_test_id("error-epochs")).to_contain_text("ten")
    expect(page.get_by_test_id("error-pL")).to_contain_text("1")
    expect(page.get_by_test_id("field-epochs")).to_have_value("ten")
    fill_in(page, epochs=3, pL=0.5)
    page.get_by_test_id("launch").click()
    expect(page.get_by_test_id("error-batch")).to_contain_text("1437")
    expect(page.get_by_test_id("field-batch")).to_have_value("5000")
    assert len(service.api.get("/runs").json()["items"]) == before


def test_the_url_holds_the_view(page: Page, finished: dict[str, Any]) -> None:
    page.goto(f"/runs/{finished['id']}")
    page.get_by_test_id("axis-epoch").check(force=True)
    page.get_by_test_id("log-scale").check(force=True)
    address = page.url
    page.goto("/")
    page.goto(address)
    expect(page.get_by_test_id("axis-epoch")).to_be_checked()
    expect(page.get_by_test_id("log-scale")).to_be_checked()


def test_a_lost_connection_is_shown_and_mends_itself(page: Page, service: Service, finished: dict[str, Any]) -> None:
    page.goto(f"/runs/{finished['id']}")
    expect(page.get_by_test_id("connection")).to_contain_text("Live")
    (api,) = service.processes("backend.serve")
    api.suspend()
    try:
        expect(page.get_by_test_id("connection-banner")).to_be_visible(timeout=WAIT)
    finally:
        api.resume()
    expect(page.get_by_test_id("connection-banner")).to_be_hidden(timeout=WAIT)
    expect(page.get_by_test_id("connection")).to_contain_text("Live", timeout=WAIT)


def test_a_run_can_be_launched_by_keyboard_alone(page: Page) -> None:
    page.goto("/new")
    expect(page.get_by_test_id("launch")).to_be_visible()
    page.get_by_test_id("field-name").focus()
    page.keyboard.type("typed by hand")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/runs/r_"), timeout=WAIT)
    stop = page.get_by_test_id("stop")
    expect(stop).to_be_enabled(timeout=WAIT)
    stop.focus()
    page.keyboard.press("Enter")
    page.get_by_test_id("confirm-ok").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("status-chip").first).to_have_text("stopped", timeout=WAIT)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_fits_its_width(
    browser: Browser, service: Service, finished: dict[str, Any], screenshots: Path, width: int, scheme: str
) -> None:
    context = browser.new_context(
        base_url=service.url,
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    run_id = finished["id"]
    pages = {"runs": "/", "new": "/new", "run": f"/runs/{run_id}", "compare": f"/compare?runs={run_id}"}
    for name, path in pages.items():
        page.goto(path)
        page.wait_for_timeout(1200)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"
        page.screenshot(path=screenshots / f"{name}-{width}-{scheme}.png", full_page=True)
    context.close()
