"""From the ring to the end of an attempt, message by message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backend.controller.exits import BACKOFF_SECONDS, MAX_CRASHES
from backend.db.tables import Attempt, Checkpoint, LogLine
from tests.controller.world import ScriptedWorker, World, point, started
from worker.contract.status import Desired, RunStatus


def test_a_run_goes_from_queued_to_completed(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    worker.seen()
    world.step()
    assert world.rung() == [run_id]

    training = worker.claim(run_id)
    world.step()
    key = world.key(run_id)
    assert key is not None
    assert (key.claim_id, key.attempt) == (training.claim_id, 1)
    assert world.run(run_id).status == "starting"

    training.say("started", **started(0))
    training.say("metrics", points=[point(10, **{"train/loss": 0.5, "val/top1": 99.0})])
    world.step()
    run = world.run(run_id)
    assert (run.status, run.step, run.epoch, run.steps_per_epoch) == ("running", 10, 1.0, 10)
    assert run.latest == {"train/loss": 0.5, "val/top1": 99.0}
    assert (run.best_top1, run.best_epoch) == (99.0, 1.0)
    assert (run.facts["device"], run.facts["epochs"], run.worker_id) == ("cpu", 5, worker.name)
    assert run.started_at is not None

    training.say("completed", step=50, elapsed_seconds=12.5)
    world.step()
    run = world.run(run_id)
    assert (run.status, run.reason, run.claim_id, run.elapsed_seconds, run.step) == ("completed", None, None, 12.5, 50)
    assert run.finished_at is not None
    assert world.waiting_messages() == 0
    key = world.key(run_id)
    assert key is not None
    assert (key.ingested_through, key.claim_id) == (3, None)
    statuses = [after for kind, after in world.history(run_id) if kind == "status"]
    assert statuses == ["starting", "running", "completed"]


def test_a_pause_takes_the_run_to_paused_and_names_the_step(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    training.points(1, 2, 3)
    world.want(run_id, Desired.PAUSE)
    training.checkpoint(3)
    training.say("paused", step=3)
    world.step()
    run = world.run(run_id)
    assert (run.status, run.attempt, run.step, run.claim_id) == ("paused", 1, 3, None)
    assert run.reason == "goes on after step 3"
    assert [item.step for item in world.rows(Checkpoint)] == [3]


#: What the holder says last, and where the run is then, by what is wanted of it.
ENDS = [
    ("paused", {"step": 7}, {"run": "queued", "pause": "paused", "stop": "stopped"}),
    ("stopped", {"reason": "asked to"}, {"run": "queued", "pause": "paused", "stop": "stopped"}),
    ("released", {"reason": "shut down", "crashed": False}, {"run": "queued", "pause": "paused", "stop": "stopped"}),
    ("released", {"reason": "killed", "crashed": True}, {"run": "queued", "pause": "paused", "stop": "stopped"}),
    ("completed", {"step": 50, "elapsed_seconds": 9.0}, dict.fromkeys(Desired, "completed")),
    ("failed", {"reason": "out of memory"}, dict.fromkeys(Desired, "failed")),
]


@pytest.mark.parametrize("desired", list(Desired))
@pytest.mark.parametrize(("kind", "body", "ends"), ENDS)
@pytest.mark.parametrize("running", [True, False], ids=["running", "starting"])
def test_an_attempt_ends_where_it_is_wanted_unless_it_is_final(
    world: World, worker: ScriptedWorker, running: bool, kind: str, body: dict, ends: dict, desired: Desired
) -> None:
    run_id = world.add_run()
    training = worker.claim(run_id)
    if running:
        training.say("started", **started())
    world.step()
    assert world.run(run_id).status == ("running" if running else "starting")
    if desired is not Desired.RUN:
        world.want(run_id, desired)
    revision = world.run(run_id).revision
    training.say(kind, **body)
    world.step()
    run = world.run(run_id)
    assert run.status == ends[desired]
    assert run.attempt == (2 if run.status == "queued" else 1)
    assert (run.claim_id, run.worker_id) == (None, None)
    assert run.revision > revision
    (attempt, *_) = world.rows(Attempt, Attempt.run_id == run_id)
    assert attempt.ended == run.status
    key = world.key(run_id)
    assert key is not None
    assert (key.attempt, key.revision, key.claim_id) == (run.attempt, run.revision, None)


def test_a_holder_that_has_ended_changes_nothing_more(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    training.say("completed", step=50, elapsed_seconds=9.0)
    training.say("released", reason="its worker died", crashed=True)
    world.step()
    run = world.run(run_id)
    assert (run.status, run.attempt, run.crashes, run.ingested_through) == ("completed", 1, 0, 3)


def test_a_released_run_is_rung_again_at_once_with_its_checkpoints(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    worker.seen()
    training = worker.train(run_id)
    training.points(4)
    for step in (2, 4):
        training.checkpoint(step)
    world.step()
    world.rings()
    training.say("released", reason="worker shut down", crashed=False)
    world.step(seconds=0.01)
    (spec,) = world.rings()
    assert (spec["run_id"], spec["attempt"], spec["elapsed_seconds"]) == (run_id, 2, 2.0)
    assert [item["step"] for item in spec["checkpoints"]] == [4, 2]


def crash_once(world: World, worker: ScriptedWorker, run_id: str, *, checkpoint_at: int | None = None) -> None:
    world.edit(run_id, not_before=None)
    training = worker.claim(run_id)
    training.say("started", **started())
    if checkpoint_at is not None:
        training.checkpoint(checkpoint_at)
    tail = [f"line {number}" for number in range(30)]
    training.say("released", reason="its trainer died of SIGKILL", crashed=True, log_tail=tail)
    world.step()


def test_crashes_are_retried_after_growing_pauses_and_then_given_up(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    for count in range(1, MAX_CRASHES):
        crash_once(world, worker, run_id)
        run = world.run(run_id)
        assert (run.status, run.crashes, run.attempt) == ("queued", count, count + 1)
        assert run.not_before is not None
        left = run.not_before - datetime.now(UTC)
        assert timedelta(0) < timedelta(seconds=BACKOFF_SECONDS[count]) - left < timedelta(seconds=1)
    crash_once(world, worker, run_id)
    run = world.run(run_id)
    assert (run.status, run.attempt) == ("failed", MAX_CRASHES)
    assert run.reason is not None
    assert run.reason.startswith("its trainer died of SIGKILL (5 crashes since the last checkpoint)")
    assert run.reason.endswith("line 28\nline 29")
    assert "line 9\n" not in run.reason


def test_somebody_who_resumes_a_run_that_was_given_up_gets_all_tries_again(
    world: World, worker: ScriptedWorker
) -> None:
    run_id = world.add_run()
    for _ in range(MAX_CRASHES):
        crash_once(world, worker, run_id)
    world.change(run_id, RunStatus.QUEUED)
    crash_once(world, worker, run_id)
    assert (world.run(run_id).status, world.run(run_id).crashes) == ("queued", 1)


def test_a_checkpoint_starts_the_count_of_crashes_anew(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    for turn in range(MAX_CRASHES + 2):
        crash_once(world, worker, run_id, checkpoint_at=turn)
    assert (world.run(run_id).status, world.run(run_id).crashes) == ("queued", 1)


def test_a_crash_while_a_pause_is_wanted_pauses(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    world.want(run_id, Desired.PAUSE)
    training.say("released", reason="its trainer died", crashed=True)
    world.step()
    run = world.run(run_id)
    assert (run.status, run.reason, run.crashes) == ("paused", "its trainer died", 1)


def test_checkpoints_are_known_until_they_are_removed_and_one_is_the_best(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    for step in (10, 20, 30):
        training.checkpoint(step, best=step != 30)
    world.step()
    assert [(item.step, item.best) for item in world.rows(Checkpoint)] == [(10, False), (20, True), (30, False)]
    path = world.rows(Checkpoint)[0].path
    training.say("checkpoint_removed", root_id="root-1", path=path)
    training.checkpoint(30)
    world.step()
    assert [item.step for item in world.rows(Checkpoint)] == [20, 30]


def test_only_the_newest_lines_of_a_log_are_kept(
    world: World, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.controller.housekeeping.LOG_LINES_KEPT", 10)
    other, run_id = world.add_run(), world.add_run()
    elsewhere, training = worker.claim(other), worker.claim(run_id)
    world.step()
    elsewhere.say("log", lines=["stays"])
    for start in range(0, 28, 4):
        training.say("log", lines=[f"line {start + offset}" for offset in range(4)])
    training.say("log", lines=["the last one"])
    world.step()
    told = [(change.detail["first"], change.detail["last"]) for change in world.changes("log")]
    assert told == [(1, 1), *((first, first + 3) for first in range(2, 30, 4)), (30, 30)]
    world.step(seconds=61)
    lines = [item.line for item in world.rows(LogLine, LogLine.run_id == run_id)]
    assert lines == [*(f"line {number}" for number in range(19, 28)), "the last one"]
    assert [item.line for item in world.rows(LogLine, LogLine.run_id == other)] == ["stays"]


def test_a_notice_is_in_the_history(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    training.say("notice", text="a damaged checkpoint was passed over")
    world.step()
    assert world.history(run_id)[-1] == ("notice", "a damaged checkpoint was passed over")
