"""Which queued runs are rung, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backend.db.tables import Worker
from backend.doorbell import RINGS_KEPT
from tests.controller.world import ScriptedWorker, World, started
from worker.contract.config import RunConfig
from worker.contract.messages import RunSpec
from worker.contract.status import RunStatus


def test_nothing_is_rung_without_a_worker(world: World) -> None:
    world.add_run()
    world.step(30)
    assert world.rung() == []


def test_the_oldest_are_rung_as_many_as_devices_are_free(world: World) -> None:
    worker = ScriptedWorker(world, devices=("cpu:0", "cpu:1"))
    first, second, _third = world.add_run(), world.add_run(), world.add_run()
    worker.seen()
    world.step()
    assert world.rung() == [first, second]


def test_a_run_is_rung_again_every_five_seconds(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    worker.seen()
    world.step()
    assert world.rung() == [run_id]
    world.step(4, seconds=1)
    assert world.rung() == []
    world.step(2, seconds=1)
    assert world.rung() == [run_id]


def test_what_the_api_has_just_queued_is_left_to_the_ring_of_the_api(world: World, worker: ScriptedWorker) -> None:
    worker.seen()
    world.step()
    run_id = world.add_run()
    world.edit(run_id, queued_at=datetime.now(UTC))
    world.step(3)
    assert world.rung() == []
    world.edit(run_id, queued_at=datetime.now(UTC) - timedelta(seconds=3))
    world.step()
    assert world.rung() == [run_id]


def test_a_device_that_becomes_free_rings_at_once(world: World, worker: ScriptedWorker) -> None:
    first, second = world.add_run(), world.add_run()
    worker.seen()
    training = worker.train(first)
    world.step()
    world.rings()
    training.say("completed", step=50, elapsed_seconds=1.0)
    world.step(seconds=0.01)
    assert world.rung() == [second]


def test_a_worker_that_appears_is_rung_at_once(world: World) -> None:
    run_id = world.add_run()
    world.step()
    ScriptedWorker(world).seen()
    world.step(seconds=0.01)
    assert world.rung() == [run_id]


def test_the_next_of_a_sequence_is_rung_when_the_one_before_is_final(world: World) -> None:
    worker = ScriptedWorker(world, devices=("cpu:0", "cpu:1"))
    first = world.add_run()
    second = world.add_run(after=first)
    third = world.add_run(after=second)
    worker.seen()
    world.step()
    assert world.rung() == [first]
    training = worker.train(first)
    world.step(12, seconds=1)
    worker.seen()
    assert world.rung() == []
    training.say("failed", reason="out of memory")
    world.step(seconds=0.01)
    assert world.rung() == [second]
    world.change(second, RunStatus.PAUSED)
    worker.seen()
    world.step(12, seconds=1)
    assert world.rung() == []
    world.change(second, RunStatus.STOPPED)
    world.step()
    assert world.rung() == [third]


def test_a_run_whose_predecessor_was_deleted_is_rung(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run(after="r_deleted")
    worker.seen()
    world.step()
    assert world.rung() == [run_id]


def test_a_crashed_run_is_rung_when_its_pause_is_over(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    worker.seen()
    training = worker.train(run_id)
    world.rings()
    training.say("released", reason="killed", crashed=True)
    world.step(5)
    assert world.rung() == []
    past = datetime.now(UTC) - timedelta(seconds=1)
    world.edit(run_id, not_before=past, queued_at=past - timedelta(seconds=2))
    world.step()
    (spec,) = world.rings()
    assert (spec["run_id"], spec["attempt"]) == (run_id, 2)


def test_a_run_with_checkpoints_waits_for_a_worker_that_has_their_root(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    training.checkpoint(3)
    training.say("released", reason="moved", crashed=False)
    elsewhere = ScriptedWorker(world, "w2", devices=("cpu:0", "cpu:1"))
    elsewhere.root_id = "another root"
    elsewhere.seen()
    fresh = world.add_run()
    world.step()
    assert world.rung() == [fresh]
    worker.trainings, worker.devices = [], ["cpu:0", "cpu:1"]
    worker.seen()
    world.step()
    assert set(world.rung()) == {run_id, fresh}


def test_a_run_for_a_gpu_waits_for_one(world: World, worker: ScriptedWorker) -> None:
    on_gpu, anywhere = world.add_run(device="cuda"), world.add_run()
    worker.seen()
    world.step()
    assert world.rung() == [anywhere]
    ScriptedWorker(world, "w2", devices=("cuda:0",)).seen()
    world.step()
    assert set(world.rung()) == {on_gpu, anywhere}


def test_a_worker_that_was_not_heard_lately_is_not_counted_on(world: World, worker: ScriptedWorker) -> None:
    worker.seen()
    world.step()
    with world.database.write() as session:
        session.get_one(Worker, "w1").seen_at = datetime.now(UTC) - timedelta(seconds=20)
    world.add_run()
    world.step(20)
    assert world.rung() == []


def test_a_ring_says_all_that_a_worker_needs(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run(depth=56, seed=3)
    training = worker.train(run_id)
    training.checkpoint(10)
    training.checkpoint(20)
    training.say("released", reason="gone", crashed=False)
    world.step()
    resumed = worker.claim(run_id)
    resumed.say("started", **started(10))
    resumed.checkpoint(12)
    resumed.say("released", reason="gone", crashed=False)
    worker.trainings = []
    worker.seen()
    world.step()
    spec = RunSpec.model_validate(world.rings()[-1])
    assert (spec.attempt, spec.config.depth, spec.config.seed) == (3, 56, 3)
    assert [(item.step, item.path.split("/")[2]) for item in spec.checkpoints] == [(12, "attempt-2"), (10, "attempt-1")]


def test_a_configuration_that_is_not_valid_any_more_holds_up_nobody(
    world: World, worker: ScriptedWorker, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = world.add_run(), world.add_run()
    world.edit(broken, config={"depth": "none of ours"})
    worker.seen()
    world.step(3)
    assert world.rung() == [sound]
    assert len([record for record in caplog.records if broken in record.message]) == 1


def test_a_run_that_is_paused_or_taken_is_not_rung(world: World) -> None:
    worker = ScriptedWorker(world, devices=tuple(f"cpu:{number}" for number in range(4)))
    paused, taken, queued = world.add_run(), world.add_run(), world.add_run()
    world.change(paused, RunStatus.PAUSED)
    worker.trainings.append(worker.claim(taken))
    worker.seen()
    world.step()
    assert world.rung() == [queued]


def test_rings_that_nobody_is_there_to_hear_are_taken_back(world: World, worker: ScriptedWorker) -> None:
    """Whoever comes in the morning would otherwise hear those of the whole night, in their order."""
    for _ in range(3):
        world.controller._doorbell.ring(a_spec())
    world.step(2, seconds=6)
    assert world.rung() == []
    worker.seen()
    world.step()
    world.controller._doorbell.ring(a_spec())
    world.step(2, seconds=3)
    assert world.rung() == ["r_x"]


def test_the_rings_that_wait_are_bounded(world: World) -> None:
    for _ in range(RINGS_KEPT + 50):
        world.controller._doorbell.ring(a_spec())
    assert len(world.rings()) == RINGS_KEPT


def a_spec() -> RunSpec:
    return RunSpec(run_id="r_x", attempt=1, name="", config=RunConfig())
