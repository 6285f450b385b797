"""The queue is in the order of the launches, whatever befalls a run; a sequential comparison trains one at a time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backend.db.tables import Comparison, Run
from backend.runs.queries import list_queue
from backend.runs.service import delete_run
from backend.runs.views import view_of
from tests.controller.world import ScriptedWorker, World, started
from worker.contract.status import Desired, RunStatus

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)


def launch_pair(world: World, comparison_id: str = "c_1", *, runs: int = 2) -> list[str]:
    with world.database.write() as session:
        session.add(
            Comparison(
                id=comparison_id, name="a pair", factor="sd", mode="sequential", created_at=datetime.now(UTC), change=0
            )
        )
    made: list[str] = []
    for _ in range(runs):
        made.append(world.add_run(after=made[-1] if made else None))
        world.edit(made[-1], comparison_id=comparison_id)
    return made


def queue(world: World) -> list[str]:
    with world.database.read() as session:
        return [run.id for run in list_queue(session, cursor=None, limit=100)[0]]


def waiting_for(world: World, run_id: str) -> str:
    with world.database.read() as session:
        return str(view_of(session, session.get_one(Run, run_id)).waiting_for)


def test_the_device_of_a_run_that_ends_is_kept_for_the_next_of_its_comparison(
    world: World, worker: ScriptedWorker
) -> None:
    """A worker tells of the free device first, and then says the run's last word."""
    baseline, twin = launch_pair(world)
    later = world.add_run()
    worker.seen()
    training = worker.train(baseline)
    world.rings()
    worker.seen()
    world.step()
    worker.trainings = []
    worker.seen()
    world.step(8)
    assert world.rung() == []
    training.say("completed", step=50, elapsed_seconds=1.0)
    world.step()
    assert world.rung() == [twin]
    worker.train(twin).say("completed", step=50, elapsed_seconds=1.0)
    worker.trainings = []
    worker.seen()
    world.step()
    assert world.rung() == [later]


def test_a_free_device_beside_the_kept_one_is_the_next_runs(world: World) -> None:
    worker = ScriptedWorker(world, devices=("cpu:0", "cpu:1"))
    baseline, _twin = launch_pair(world)
    first, _second = world.add_run(), world.add_run()
    worker.train(baseline)
    worker.seen()
    world.step()
    assert world.rung() == [first]


def test_a_last_word_that_never_comes_keeps_the_device_for_a_while_only(world: World, worker: ScriptedWorker) -> None:
    baseline, _twin = launch_pair(world)
    later = world.add_run()
    worker.seen()
    worker.train(baseline)
    worker.seen()
    world.step()
    world.rings()
    worker.trainings = []
    for _ in range(40):
        worker.seen()
        world.step(seconds=1)
    assert world.run(baseline).attempt == 2
    assert world.rung()[0] == later, "the baseline rests after what counts as a crash"


@pytest.mark.parametrize("how", ["lost", "made way", "resumed"])
def test_a_run_that_is_queued_again_has_its_old_place(world: World, worker: ScriptedWorker, how: str) -> None:
    baseline, twin = launch_pair(world)
    later = world.add_run()
    worker.seen()
    training = worker.train(baseline)
    world.rings()
    if how == "lost":
        world.lose(baseline)
    elif how == "made way":
        training.say("released", reason="the disk is full", crashed=False)
    else:
        world.want(baseline, Desired.PAUSE)
        training.say("paused", step=3)
        world.step()
        assert queue(world) == [twin, later]
        world.change(baseline, RunStatus.QUEUED)
    world.step()
    assert queue(world) == [baseline, twin, later]
    worker.trainings = []
    worker.seen()
    world.step(8)
    assert world.rung()[-1] == baseline


@pytest.mark.parametrize("how", ["paused", "failed", "stopped", "resting after a crash"])
def test_a_comparison_that_does_not_go_on_blocks_nobody(world: World, worker: ScriptedWorker, how: str) -> None:
    baseline, twin = launch_pair(world)
    later = world.add_run()
    worker.seen()
    training = worker.train(baseline)
    world.rings()
    if how == "paused":
        world.want(baseline, Desired.PAUSE)
        training.say("paused", step=3)
    elif how == "failed":
        training.say("failed", reason="out of memory")
    elif how == "stopped":
        world.want(baseline, Desired.STOP)
        training.say("stopped", reason="")
    else:
        training.say("released", reason="killed", crashed=True)
    worker.trainings = []
    worker.seen()
    world.step()
    assert world.rung()[0] == (twin if how in ("failed", "stopped") else later)


def test_a_run_that_is_being_paused_keeps_no_device(world: World, worker: ScriptedWorker) -> None:
    baseline, _twin = launch_pair(world)
    later = world.add_run()
    worker.seen()
    worker.train(baseline)
    world.rings()
    world.want(baseline, Desired.PAUSE)
    worker.trainings = []
    worker.seen()
    world.step()
    assert world.rung() == [later]


def test_a_resumed_run_waits_until_the_one_of_its_comparison_that_trains_has_ended(world: World) -> None:
    worker = ScriptedWorker(world, devices=("cpu:0", "cpu:1"))
    baseline, twin, third = launch_pair(world, runs=3)
    worker.train(baseline).say("failed", reason="out of memory")
    worker.trainings = []
    world.step()
    training = worker.train(twin)
    world.change(baseline, RunStatus.QUEUED)
    worker.seen()
    world.rings()
    world.step(12, seconds=1)
    assert world.rung() == []
    assert waiting_for(world, baseline) == f"a run ({twin}), which trains now, to finish"
    training.say("completed", step=50, elapsed_seconds=1.0)
    worker.trainings = []
    worker.seen()
    world.step(8)
    assert world.rung()[0] == baseline
    assert third not in world.rung()


def test_a_claim_is_not_granted_beside_another_of_its_sequence(world: World) -> None:
    worker = ScriptedWorker(world, devices=("cpu:0", "cpu:1"))
    baseline, twin = launch_pair(world)
    worker.train(baseline).say("failed", reason="out of memory")
    world.step()
    worker.train(twin)
    world.change(baseline, RunStatus.QUEUED)
    worker.claim(baseline).say("started", **started())
    world.step()
    assert world.run(baseline).status == RunStatus.QUEUED


def test_what_came_after_a_deleted_run_comes_after_the_one_before_it(world: World) -> None:
    worker = ScriptedWorker(world, devices=("cpu:0", "cpu:1"))
    first, second, third = launch_pair(world, runs=3)
    with world.database.write() as session:
        delete_run(session, second)
    assert world.run(third).after_id == first
    worker.seen()
    world.step(8, seconds=1)
    assert set(world.rung()) == {first}
