"""What the page says of the service's state, and by whose clock it counts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frontend.conftest import Run

pytestmark = pytest.mark.browser

SHOW = """
({ createShell }, { health, workers }) => {
  const root = document.body.appendChild(document.createElement("div"));
  const shell = createShell(root, { live: new EventTarget() });
  shell.showCapacity({ health, workers });
  const capacity = root.querySelector("[data-testid=capacity]");
  const findings = root.querySelector("[data-testid=findings]");
  const told = [...findings.querySelectorAll("li")].map((item) => item.textContent);
  return { capacity: capacity.textContent, title: capacity.title, told, isHidden: findings.hidden };
}
"""


def worker(**told: Any) -> dict[str, Any]:
    devices = {"devices": ["cpu:0"], "free_devices": ["cpu:0"]}
    return {"id": "w1", "host": "gpu-1", "alive": True, "warnings": []} | devices | told


def finding(severity: str, title: str) -> dict[str, str]:
    return {"code": "x", "severity": severity, "title": title, "detail": f"{title}, in full"}


def test_all_is_well(run: Run) -> None:
    shown = run("components/shell", SHOW, {"health": {"findings": []}, "workers": [worker()]})
    assert shown == {"capacity": "1 worker · 1 of 1 free", "title": "cpu:0", "told": [], "isHidden": True}


def test_what_matters_most_stands_in_the_place_of_the_capacity_and_the_rest_below(run: Run) -> None:
    findings = [finding("error", "Redis is full: runs wait"), finding("warning", "Something unreadable was set aside")]
    off = worker(warnings=["its clock is 600 s ahead of the service's"])
    shown = run("components/shell", SHOW, {"health": {"findings": findings}, "workers": [off]})
    assert (shown["capacity"], shown["title"]) == ("Redis is full: runs wait", "Redis is full: runs wait, in full")
    assert shown["told"] == [
        "Something unreadable was set aside Something unreadable was set aside, in full",
        "Worker w1 on gpu-1 its clock is 600 s ahead of the service's",
    ]


@pytest.mark.parametrize("ahead", [600_000, -600_000])
def test_how_long_ago_something_was_counts_by_the_services_clock(run: Run, ahead: int) -> None:
    said = run(
        "format",
        """async ({ ago }, ahead) => {
          const clock = await import("/static/js/clock.js");
          const at = (seconds) => new Date(Date.now() + ahead - seconds * 1000).toISOString();
          clock.guessServerTime(new Date(Date.now() + ahead).toUTCString());
          const guessed = ago(at(300));
          clock.setServerOffset(ahead);
          clock.guessServerTime(new Date(0).toUTCString());
          return [guessed, ago(at(5)), ago(at(300))];
        }""",
        ahead,
    )
    assert said == ["5 min ago", "just now", "5 min ago"]
