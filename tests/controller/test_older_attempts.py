"""What is said by an attempt after a newer one took its place."""

from __future__ import annotations

import pytest

from backend.db.tables import Attempt, Checkpoint, LogLine, RunEvent
from tests.controller.world import ScriptedTraining, ScriptedWorker, World, started
from worker.contract.status import RunStatus

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)


def superseded(world: World, worker: ScriptedWorker) -> tuple[str, ScriptedTraining]:
    """A training of steps 1 to 6 whose worker was lost: the run is queued for another attempt."""
    run_id = world.add_run()
    first = worker.train(run_id)
    first.points(1, 2, 3, 4, 5, 6)
    world.step()
    world.lose(run_id)
    return run_id, first


def steps(world: World, run_id: str) -> list[int]:
    return [step for step, _ in world.curve(run_id)]


def test_a_newer_start_removes_the_later_steps_of_older_attempts(world: World, worker: ScriptedWorker) -> None:
    run_id, _ = superseded(world, worker)
    second = worker.train(run_id, step=4)
    assert steps(world, run_id) == [1, 2, 3, 4]
    run = world.run(run_id)
    assert (run.step, run.epoch, run.latest) == (4, 0.4, {"train/loss": 4.0})
    assert world.changes("rewound")[0].detail == {"step": 4}
    assert ("rewound", "went back to step 4") in world.history(run_id)
    second.points(5, 6)
    world.step()
    assert steps(world, run_id) == [1, 2, 3, 4, 5, 6]
    assert world.run(run_id).step == 6


def test_the_best_goes_back_with_the_rest(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    first = worker.train(run_id)
    first.points(50, 60, 70, name="val/top1")
    first.say("released", reason="gone", crashed=False)
    world.step()
    assert world.run(run_id).best_top1 == 70
    worker.train(run_id, step=60)
    assert (world.run(run_id).best_top1, world.run(run_id).best_epoch) == (60, 6.0)


def test_a_start_that_goes_on_where_the_last_one_stopped_is_no_rewind(world: World, worker: ScriptedWorker) -> None:
    run_id, _ = superseded(world, worker)
    worker.train(run_id, step=6)
    assert steps(world, run_id) == [1, 2, 3, 4, 5, 6]
    assert world.changes("rewound") == []
    assert world.rows(RunEvent, RunEvent.kind == "rewound") == []


def test_an_older_attempt_counts_up_to_where_the_newer_one_started(world: World, worker: ScriptedWorker) -> None:
    run_id, first = superseded(world, worker)
    first.points(7, 8)
    world.step()
    assert steps(world, run_id) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert world.run(run_id).step == 8

    second = worker.train(run_id, step=8)
    second.points(9)
    first.points(8, 9, 10)
    world.step()
    assert [(step, value) for step, value in world.curve(run_id) if step > 7] == [(8, 8.0), (9, 9.0)]
    assert world.run(run_id).step == 9


def test_the_lowest_of_all_newer_starts_is_the_limit(world: World, worker: ScriptedWorker) -> None:
    run_id, first = superseded(world, worker)
    worker.train(run_id, step=4).say("released", reason="gone", crashed=False)
    world.step()
    worker.train(run_id, step=6)
    first.points(5, 6)
    first.points(3, 4)
    world.step()
    assert steps(world, run_id) == [1, 2, 3, 4]


def test_an_older_start_that_comes_late_still_limits_those_before_it(world: World, worker: ScriptedWorker) -> None:
    """Its spool was found by a later boot: 5 and 6 were its own by then, and nobody else's."""
    run_id, _ = superseded(world, worker)
    second = worker.claim(run_id)
    world.step()
    second.write("started", **started(4))
    world.lose(run_id)
    worker.train(run_id, step=6)
    second.send(1)
    world.step()
    assert steps(world, run_id) == [1, 2, 3, 4]
    assert world.run(run_id).status == "running"


def test_the_status_of_an_older_attempt_is_dropped(world: World, worker: ScriptedWorker) -> None:
    run_id, first = superseded(world, worker)
    second = worker.train(run_id, step=6)
    first.say("completed", step=50, elapsed_seconds=1.0)
    world.step()
    run = world.run(run_id)
    assert (run.status, run.attempt, run.claim_id, run.step) == ("running", 2, second.claim_id, 6)
    first_row, second_row = world.rows(Attempt)
    assert (first_row.ingested_through, second_row.ingested_through) == (3, 1)


def test_its_log_and_its_notices_are_kept(world: World, worker: ScriptedWorker) -> None:
    run_id, first = superseded(world, worker)
    worker.train(run_id, step=6)
    first.say("log", lines=["what it died of"])
    first.say("notice", text="seen too late")
    world.step()
    assert [(item.attempt, item.line) for item in world.rows(LogLine)] == [(1, "what it died of")]
    assert ("notice", "seen too late") in world.history(run_id)


def test_a_checkpoint_that_comes_late_counts_only_while_nobody_went_on_from_before_it(
    world: World, worker: ScriptedWorker
) -> None:
    run_id, first = superseded(world, worker)
    first.checkpoint(5)
    world.step()
    assert [item.step for item in world.rows(Checkpoint)] == [5]
    assert world.run(run_id).crashes == 0
    worker.train(run_id, step=5)
    first.checkpoint(6)
    first.checkpoint(4)
    world.step()
    assert sorted(item.step for item in world.rows(Checkpoint)) == [4, 5]


def test_a_checkpoint_that_was_passed_over_is_not_resumed_from_any_more(world: World, worker: ScriptedWorker) -> None:
    """The attempt that went on from before it leads elsewhere, and its curve has no steps between."""
    run_id = world.add_run()
    first = worker.train(run_id)
    for step in (2, 4):
        first.checkpoint(step)
    first.say("released", reason="gone", crashed=False)
    world.step()
    worker.train(run_id, step=2)
    assert [item.step for item in world.rows(Checkpoint)] == [2]


def test_the_older_attempt_learns_of_the_newer_one(world: World, worker: ScriptedWorker) -> None:
    run_id, first = superseded(world, worker)
    world.redis.flushall()
    first.points(7)
    world.step()
    key = world.key(run_id)
    assert key is not None
    assert key.attempt > first.attempt


def test_an_attempt_from_nowhere_says_nothing(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    stranger = worker.claim(run_id, attempt=7)
    stranger.say("started", **started())
    stranger.say("completed", step=1, elapsed_seconds=1.0)
    world.step()
    run = world.run(run_id)
    assert (run.status, run.attempt, run.claim_id) == (RunStatus.QUEUED, 1, None)
