"""Which queued runs are rung, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backend.db.tables import Ringing, Run, Worker
from backend.doorbell import RINGS_KEPT
from backend.reference.findings import find_in_sql
from backend.runs.views import view_of
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
    assert world.rung() == [run_id], "the other was rung just now"


def test_a_run_for_a_gpu_waits_for_one(world: World, worker: ScriptedWorker) -> None:
    on_gpu, anywhere = world.add_run(device="cuda"), world.add_run()
    worker.seen()
    world.step()
    assert world.rung() == [anywhere]
    ScriptedWorker(world, "w2", devices=("cuda:0",)).seen()
    world.step()
    assert world.rung() == [on_gpu], "the other was rung just now"


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


def time_passes(world: World, worker: ScriptedWorker, seconds: float) -> list[str]:
    """A second at a time, the worker being heard as it is; the runs that were rung meanwhile."""
    rung: list[str] = []
    for _ in range(round(seconds)):
        worker.seen()
        world.step(seconds=1)
        rung += world.rung()
    return rung


def skip_the_pause(world: World, run_id: str) -> timedelta:
    """The pause after rings that nobody answered is over; returns how long it was."""
    now = datetime.now(UTC)
    with world.database.write() as session:
        note = session.get_one(Ringing, run_id)
        assert note.passed_over_until is not None
        pause = note.passed_over_until - now
        note.passed_over_until = now - timedelta(seconds=1)
    return pause


def waiting_for(world: World, run_id: str) -> str:
    with world.database.read() as session:
        return str(view_of(session, session.get_one(Run, run_id)).waiting_for)


def test_a_run_whose_rings_nobody_answers_is_passed_over_and_says_why(world: World, worker: ScriptedWorker) -> None:
    first, second = world.add_run(), world.add_run()
    assert time_passes(world, worker, 14) == [first] * 3
    assert time_passes(world, worker, 4) == [second], "the device is another's now"
    assert "it was offered to free workers 3 times and none of them took it" in waiting_for(world, first)
    with world.database.read() as session:
        (finding,) = find_in_sql(session, now=datetime.now(UTC))
    assert (finding.code, finding.severity) == ("runs_not_taken", "error")
    assert f"({first}, 3 times)" in finding.detail
    world.change(second, RunStatus.STOPPED)
    assert time_passes(world, worker, 2) == []
    assert world.changes("run")[-1].subject in (first, second)


def test_the_pauses_grow_and_one_ring_follows_each(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    time_passes(world, worker, 16)
    pauses = [skip_the_pause(world, run_id)]
    for _ in range(6):
        assert time_passes(world, worker, 7) == [run_id]
        pauses.append(skip_the_pause(world, run_id))
    assert [round(pause.total_seconds(), -1) for pause in pauses] == [10, 20, 40, 80, 160, 300, 300]


def test_a_ring_that_takes_the_device_for_a_moment_does_not_ring_again_and_again(
    world: World, worker: ScriptedWorker
) -> None:
    """A worker that hears it, takes the device and gives it back at once, since the key says otherwise."""
    run_id = world.add_run()
    rung: list[str] = []
    for _ in range(200):
        worker.seen(free=())
        world.step(seconds=0.05)
        worker.seen()
        world.step(seconds=0.05)
        rung += world.rung()
    assert len(rung) <= 21
    assert world.rows(Ringing, Ringing.run_id == run_id) or len(rung) < 21


def test_a_claim_ends_the_counting(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    time_passes(world, worker, 16)
    worker.train(run_id)
    assert world.rows(Ringing) == []


def test_a_new_attempt_is_rung_at_once(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    time_passes(world, worker, 16)
    world.change(run_id, RunStatus.PAUSED)
    world.change(run_id, RunStatus.QUEUED)
    assert time_passes(world, worker, 4) == [run_id]


def test_a_run_that_no_free_device_suits_is_not_counted(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run(device="cuda")
    assert time_passes(world, worker, 30) == []
    assert waiting_for(world, run_id) == "a worker with a GPU"


def test_a_ring_that_redis_did_not_take_is_no_ring(world: World, worker: ScriptedWorker) -> None:
    world.add_run()
    worker.seen()
    world.step()
    world.rings()
    world.redis.config_set("maxmemory", "1")
    try:
        for _ in range(30):
            world.step(seconds=1)
    finally:
        world.redis.config_set("maxmemory", "0")
    assert world.rows(Ringing) == []
