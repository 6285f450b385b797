"""A worker whose clock is off, by libfaketime: it trains at once, and every age is right."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.faults.parts import PATIENCE, Backend
from tests.jobs.parts import WorkerProcess

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed"),
]

StartWorker = Callable[..., WorkerProcess]


def shifted(seconds: int) -> dict[str, str]:
    """The environment that shifts a program's clock; what waits for a time to pass is left alone."""
    shown = subprocess.run(["faketime", "-f", f"{seconds:+d}s", "env"], capture_output=True, text=True, check=True)
    pairs = (line.partition("=") for line in shown.stdout.splitlines())
    found = {name: value for name, _, value in pairs if name == "LD_PRELOAD" or name.startswith("FAKETIME")}
    return found | {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def seconds_since(moment: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


@pytest.mark.parametrize("ahead", [600, -600, 60])
def test_a_worker_whose_clock_is_off_trains_at_once_and_makes_nothing_old_or_new(
    backend: Backend, start_worker: StartWorker, ahead: int
) -> None:
    start_worker(**shifted(ahead))
    run_id = backend.launch_named("count")
    backend.wait_for_step(run_id, 50, seconds=PATIENCE)
    assert 0 <= seconds_since(backend.run(run_id)["last_point_at"]) < 30
    events = backend.api.get(f"/runs/{run_id}/events").json()["items"]
    times = [datetime.fromisoformat(event["at"]) for event in events]
    assert times == sorted(times)
    assert max(map(abs, map(seconds_since, (event["at"] for event in events)))) < PATIENCE
    (worker,) = backend.workers()
    assert worker["clock_skew_seconds"] == pytest.approx(ahead, abs=5)
    direction = "ahead of" if ahead > 0 else "behind"
    assert f"{direction} the service's" in worker["warnings"][0]
    backend.act(run_id, "pause")
    backend.wait_for_status(run_id, "paused", seconds=PATIENCE)
    backend.act(run_id, "resume")
    backend.wait_for_status(run_id, "running", seconds=PATIENCE)
    assert backend.run(run_id)["attempt"] == 2
