"""A browser whose clock is off compares no time of the service with it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.support.service import Service

pytestmark = pytest.mark.browser

WAIT = 120_000
#: A machine has one clock: the page holds the stream itself, as the clock of a shared worker cannot be shifted here.
SHIFT = """
{
  window.SharedWorker = undefined;
  const real = Date;
  const ahead = %d;
  window.Date = class extends real {
    constructor(...given) {
      if (given.length) super(...given);
      else super(real.now() + ahead);
    }
    static now() {
      return real.now() + ahead;
    }
  };
}
"""


@pytest.mark.parametrize("ahead", [timedelta(minutes=10), timedelta(minutes=-10)])
def test_ages_are_right_whatever_the_browsers_clock_says(page: Page, service: Service, ahead: timedelta) -> None:
    page.add_init_script(SHIFT % (ahead.total_seconds() * 1000))
    run_id = service.launch(epochs=200, log_every=1)
    service.wait_for_step(run_id, 3, seconds=WAIT / 1000)
    page.goto("/")
    expect(page.get_by_test_id("run-row").first).to_contain_text("just now", timeout=WAIT)
    page.goto(f"/runs/{run_id}")
    expect(page.get_by_test_id("data-age")).to_have_text(re.compile(r"Last point \d+(\.\d)? s ago\s*$"), timeout=WAIT)
    service.act(run_id, "stop")
    service.wait_for_status(run_id, "stopped", seconds=WAIT / 1000)
