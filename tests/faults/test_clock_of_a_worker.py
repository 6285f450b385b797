"""A worker whose clock is off trains at once, and every age is right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.faults.parts import PATIENCE, Backend
from tests.jobs.parts import WorkerProcess
from tests.support.service import REPOSITORY

pytestmark = pytest.mark.fault

StartWorker = Callable[..., WorkerProcess]


def shifted(seconds: int) -> dict[str, str]:
    """The environment in which a worker's clock, and its trainer's, is off."""
    folder = REPOSITORY / "tests" / "support" / "shifted_clock"
    return {"PYTHONPATH": f"{folder}:{REPOSITORY}", "SHIFTED_CLOCK_SECONDS": str(seconds)}


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
