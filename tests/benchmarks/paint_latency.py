"""From a point's own timestamp in the training process to its paint in a real Chromium.

    resdrop bench paint_latency [--points 100]

One run with one training thread on this machine; the median and the 95th percentile in milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.peers import install
from tests.support.service import Service, running_service

if TYPE_CHECKING:
    from playwright.sync_api import Page

LISTEN = """
window.paints = [];
document.addEventListener("resdrop:painted", (event) => window.paints.push(event.detail));
"""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="resdrop bench paint_latency", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=100, help="painted points to wait for (default: %(default)s)")
    wanted = parser.parse_args(arguments).points
    install("playwright")
    from tests.support.browser import chromium

    with tempfile.TemporaryDirectory() as folder, running_service(Path(folder)) as service, chromium() as browser:
        latencies = measure(browser.new_page(), service, wanted=wanted)
    cuts = statistics.quantiles(latencies, n=20)
    print(f"{len(latencies)} points: p50 {statistics.median(latencies):.0f} ms, p95 {cuts[-1]:.0f} ms")
    return 0


def measure(page: Page, service: Service, *, wanted: int) -> list[float]:
    """Milliseconds of every point of the loss chart that was seen painted, each counted once."""
    run_id = service.launch(batch=32, epochs=200, log_every=4, threads=1, bn_reestimate=0)
    page.add_init_script(LISTEN)
    page.goto(f"{service.url}/runs/{run_id}")
    page.wait_for_function(
        "wanted => new Set(window.paints.map(p => p.step)).size > wanted", arg=wanted, timeout=600_000
    )
    paints = page.evaluate("window.paints")
    first_of_step: dict[int, float] = {}
    for paint in paints:
        first_of_step.setdefault(paint["step"], paint["latency_ms"])
    # The first paint shows what was there before the page was opened.
    return list(first_of_step.values())[1:]
