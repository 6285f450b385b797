"""Two that heard the ring: one trains."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.controller.world import ScriptedWorker, World, started
from worker.contract.messages import RunKey
from worker.contract.status import Desired, RunStatus


def key(world: World, run_id: str) -> RunKey:
    found = world.key(run_id)
    assert found is not None
    return found


@pytest.mark.parametrize("steps_between", [0, 1])
def test_of_two_claims_the_first_is_granted(world: World, worker: ScriptedWorker, steps_between: int) -> None:
    run_id = world.add_run()
    first = worker.claim(run_id)
    world.step(steps_between)
    second = ScriptedWorker(world, "w2").claim(run_id)
    world.step()
    second.claim()
    first.claim()
    world.step()
    run = world.run(run_id)
    assert (run.status, run.claim_id, run.worker_id) == ("starting", first.claim_id, "w1")
    assert key(world, run_id).claim_id == first.claim_id
    assert len([kind for kind, after in world.history(run_id) if after == "starting"]) == 1


def test_whoever_was_denied_is_not_heard(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    first, second = worker.claim(run_id), worker.claim(run_id)
    second.say("started", **started(3))
    second.points(4)
    second.say("failed", reason="nobody asked")
    world.step()
    assert world.run(run_id).status == "starting"
    assert world.curve(run_id) == []
    first.say("started", **started())
    world.step()
    assert world.run(run_id).status == "running"


def test_a_claim_that_comes_again_is_answered_again(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.claim(run_id)
    world.step()
    world.redis.flushall()
    training.claim()
    world.step()
    assert key(world, run_id).claim_id == training.claim_id


def test_a_claim_on_a_run_that_is_not_wanted_is_told_so(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    world.change(run_id, RunStatus.PAUSED)
    worker.claim(run_id)
    world.step()
    assert world.run(run_id).status == "paused"
    assert (key(world, run_id).desired, key(world, run_id).claim_id) == (Desired.PAUSE, None)


def test_a_claim_on_an_older_attempt_is_told_of_the_newer(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    world.change(run_id, RunStatus.PAUSED)
    world.change(run_id, RunStatus.QUEUED)
    worker.claim(run_id, attempt=1)
    world.step()
    assert world.run(run_id).status == "queued"
    assert key(world, run_id).attempt == 2


def test_a_claim_waits_for_the_pause_after_a_crash(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    world.edit(run_id, not_before=datetime.now(UTC) + timedelta(minutes=1))
    training = worker.claim(run_id)
    world.step()
    assert world.run(run_id).status == "queued"
    world.edit(run_id, not_before=datetime.now(UTC) - timedelta(seconds=1))
    training.claim()
    world.step()
    assert (world.run(run_id).status, world.run(run_id).not_before) == ("starting", None)


def test_a_claim_waits_for_the_run_before(world: World, worker: ScriptedWorker) -> None:
    first = world.add_run()
    second = world.add_run(after=first)
    training = worker.claim(second)
    world.step()
    assert world.run(second).status == "queued"
    world.change(first, RunStatus.STOPPED)
    training.claim()
    world.step()
    assert world.run(second).status == "starting"


def test_a_claim_that_lay_around_is_not_granted(world: World, worker: ScriptedWorker) -> None:
    """Whoever said it while no controller was there may have given up; it says it every 2 s as long as it has not."""
    run_id = world.add_run()
    seconds, _ = world.redis.time()
    training = worker.claim(run_id)
    ((_, fields),) = world.redis.xrange("resdrop:messages")
    world.redis.delete("resdrop:messages")
    world.redis.xadd("resdrop:messages", fields, id=f"{(seconds - 60) * 1000}-0")
    world.step()
    assert world.run(run_id).status == "queued"
    training.claim()
    world.step()
    assert world.run(run_id).status == "starting"


def test_the_devices_of_a_claim_are_not_counted_as_free(world: World) -> None:
    worker = ScriptedWorker(world, devices=("cuda:0", "cuda:1"))
    run_id = world.add_run()
    worker.seen()
    training = worker.claim(run_id, device="cuda:1")
    world.step()
    assert world.worker("w1").free_devices == ["cuda:0"]
    training.say("failed", reason="out of memory")
    world.step()
    assert world.worker("w1").free_devices == ["cuda:0", "cuda:1"]
