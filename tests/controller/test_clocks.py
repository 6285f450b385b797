"""Workers whose clocks are off: nothing waits or is dated by them, and by how much they are off is measured."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from backend.db.tables import Checkpoint, LogLine, RunEvent
from backend.workers.clocks import clock_skew
from backend.workers.queries import list_workers
from tests.controller.world import ScriptedWorker, World
from worker.contract import CONTRACT
from worker.contract.names import ENVELOPE, MESSAGES_STREAM

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)

AHEAD = [timedelta(minutes=10), timedelta(minutes=-10), timedelta(seconds=60)]


def is_now(moment: datetime | None) -> bool:
    return moment is not None and abs(datetime.now(UTC) - moment) < timedelta(seconds=30)


def skew(world: World) -> float | None:
    return clock_skew(world.worker("w1"))


@pytest.mark.parametrize("ahead", AHEAD)
def test_all_that_a_worker_says_is_dated_when_the_service_takes_it_in(
    world: World, worker: ScriptedWorker, ahead: timedelta
) -> None:
    worker.ahead = ahead
    run_id = world.add_run()
    training = worker.train(run_id)
    training.points(1)
    training.checkpoint(1)
    training.say("notice", text="look")
    training.say("log", lines=["a line"])
    world.step()
    run = world.run(run_id)
    assert run.status == "running"
    assert is_now(run.last_point_at)
    assert is_now(run.heard_at)
    assert all(is_now(event.at) for event in world.rows(RunEvent, RunEvent.run_id == run_id, RunEvent.kind == "notice"))
    assert all(is_now(line.at) for line in world.rows(LogLine))
    assert all(is_now(checkpoint.created_at) for checkpoint in world.rows(Checkpoint))


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_skew_is_measured_and_told_with_the_worker(world: World, worker: ScriptedWorker, ahead: timedelta) -> None:
    worker.ahead = ahead
    worker.seen(contract=CONTRACT)
    world.step()
    assert skew(world) == pytest.approx(ahead.total_seconds(), abs=2)
    with world.database.read() as session:
        (view,) = list_workers(session)
    assert view.clock_skew_seconds == skew(world)
    (warning,) = view.warnings
    assert f"{abs(skew(world) or 0):g} s {'ahead of' if ahead > timedelta() else 'behind'} the service's" in warning
    assert len(world.changes("workers")) == 1


def test_a_clock_that_is_right_is_not_spoken_of(world: World, worker: ScriptedWorker) -> None:
    worker.seen(contract=CONTRACT)
    world.step()
    assert skew(world) is None
    with world.database.read() as session:
        assert list_workers(session)[0].warnings == []


def test_what_lay_in_the_stream_for_a_while_makes_no_clock_slow(world: World, worker: ScriptedWorker) -> None:
    said_at = datetime.now(UTC) - timedelta(seconds=90)
    message = {"kind": "worker_seen", "worker_id": "w1", "boot_id": worker.boot, "at": said_at.isoformat()}
    message |= {"host": "h", "root_id": "r", "devices": [], "free_devices": []}
    entry = f"{round(said_at.timestamp() * 1000)}-0"
    world.redis.xadd(MESSAGES_STREAM, {ENVELOPE: json.dumps(message)}, id=entry)
    world.step()
    assert skew(world) is None


def test_one_message_that_was_held_up_makes_no_clock_slow(world: World, worker: ScriptedWorker) -> None:
    worker.seen()
    world.step()
    worker.ahead = timedelta(seconds=-14)
    worker.seen()
    world.step()
    assert skew(world) is None


def test_a_clock_that_was_set_right_is_spoken_of_no_more(world: World, worker: ScriptedWorker) -> None:
    worker.ahead = timedelta(minutes=10)
    worker.seen()
    world.step()
    worker.ahead = timedelta()
    for _ in range(3):
        worker.seen()
        world.step()
    assert skew(world) is None


def test_a_worker_whose_clock_is_off_is_given_what_waits(world: World, worker: ScriptedWorker) -> None:
    worker.ahead = timedelta(seconds=60)
    run_id = world.add_run()
    worker.seen()
    world.step()
    (ring,) = world.rings()
    assert ring["run_id"] == run_id
    worker.claim(run_id)
    world.step()
    assert world.run(run_id).status == "starting"
