"""What it costs to open a run's page in a real Chromium: requests, bytes on the wire, and time to the first curve.

    resdrop bench page_load [--loads 10]

First with an empty cache, then again with what the first visit left in it; on loopback, and through a link of 10 Mbit/s
with a round trip of 40 ms as the browser itself simulates it. Medians of several loads.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.peers import install
from tests.benchmarks.report import machine_line, table
from tests.support.service import Service, running_service

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FIRST_CURVE = "() => document.querySelector('.js-plotly-plot .trace path.js-line') && performance.now()"
LINKS: Mapping[str, Mapping[str, float] | None] = {
    "loopback": None,
    "10 Mbit/s, 40 ms": {"latency": 40, "downloadThroughput": 1.25e6, "uploadThroughput": 1.25e6},
}


@dataclass
class Load:
    """Of one load: what the page's own requests took from the service, and when its first curve stood."""

    requests: int = 0
    received_bytes: float = 0
    milliseconds: float = 0


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="resdrop bench page_load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loads", type=int, default=10, help="loads of each kind (default: %(default)s)")
    loads = parser.parse_args(arguments).loads
    install("playwright")
    from tests.support.browser import chromium

    print(machine_line())
    with tempfile.TemporaryDirectory() as folder, running_service(Path(folder)) as service, chromium() as browser:
        address = finished_run(service)
        rows = [row for link in LINKS for row in measure(browser, address, link=link, loads=loads)]
    print(table(("load", "requests", "kB received", "ms to the first curve"), rows))
    return 0


def finished_run(service: Service) -> str:
    """The address of a run with curves to draw."""
    run_id = service.launch(epochs=20)
    service.wait_for_status(run_id, "completed", seconds=300)
    return f"{service.url}/runs/{run_id}"


def measure(browser: Browser, address: str, *, link: str, loads: int) -> list[tuple[str, ...]]:
    first, again = [], []
    for _ in range(loads):
        context = browser.new_context()
        first.append(load(context.new_page(), address, conditions=LINKS[link]))
        again.append(load(context.new_page(), address, conditions=LINKS[link]))
        context.close()
    return [_row(f"first, {link}", first), _row(f"again, {link}", again)]


def load(page: Page, address: str, *, conditions: Mapping[str, float] | None) -> Load:
    result = Load()
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    if conditions is not None:
        session.send("Network.emulateNetworkConditions", {"offline": False, **conditions})
    session.on("Network.responseReceived", lambda event: _count(result, event["response"]))
    session.on("Network.loadingFinished", lambda event: _add(result, event["encodedDataLength"]))
    page.goto(address)
    result.milliseconds = page.wait_for_function(FIRST_CURVE, timeout=120_000).json_value()
    page.close()
    return result


def _count(result: Load, response: Mapping[str, Any]) -> None:
    result.requests += not (response.get("fromDiskCache") or response.get("fromPrefetchCache"))


def _add(result: Load, received: float) -> None:
    result.received_bytes += received


def _row(name: str, loads: Sequence[Load]) -> tuple[str, ...]:
    requests = statistics.median(load.requests for load in loads)
    received = statistics.median(load.received_bytes for load in loads)
    return (
        name,
        f"{requests:.0f}",
        f"{received / 1000:.0f}",
        f"{statistics.median(load.milliseconds for load in loads):.0f}",
    )
