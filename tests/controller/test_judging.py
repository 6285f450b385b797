"""Silence is judged by the controller's own clock, and only where nobody but the worker can be to blame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from sqlalchemy.exc import OperationalError

from backend.controller.exits import MAX_CRASHES
from backend.controller.judge import SILENCE_SECONDS, Boot, Holder, Judge
from backend.db.changes import next_change
from backend.db.session import Database
from tests.controller.world import Clock, ScriptedWorker, World
from worker.contract.messages import MESSAGE
from worker.contract.status import Desired


def pass_time(world: World, seconds: float) -> None:
    """The loop turns as it does in a process, twice a second; a probe goes out in one turn and is back in the next."""
    world.step(round(seconds * 2), seconds=0.5)


def training_run(world: World, worker: ScriptedWorker) -> str:
    run_id = world.add_run()
    training = worker.train(run_id)
    training.say("log", lines=["the last thing it said"])
    world.step()
    return run_id


def test_a_run_is_lost_after_thirty_seconds_of_silence(world: World, worker: ScriptedWorker) -> None:
    run_id = training_run(world, worker)
    pass_time(world, SILENCE_SECONDS - 2)
    assert world.run(run_id).status == "running"
    pass_time(world, 6)
    run = world.run(run_id)
    assert (run.status, run.attempt, run.crashes, run.claim_id) == ("queued", 2, 1, None)
    assert run.reason == "nothing was heard from its worker for 30 s"
    assert run.not_before is not None
    key = world.key(run_id)
    assert key is not None
    assert (key.attempt, key.claim_id) == (2, None)


def test_a_worker_that_names_what_it_holds_keeps_it(world: World, worker: ScriptedWorker) -> None:
    run_id = training_run(world, worker)
    for _ in range(30):
        worker.seen()
        pass_time(world, 3)
    assert world.run(run_id).status == "running"
    assert world.run(run_id).heard_at is not None


def test_messages_of_the_attempt_are_signs_of_life_too(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    for step in range(1, 13):
        training.points(step)
        pass_time(world, 5)
    assert world.run(run_id).status == "running"


def test_who_can_only_repeat_what_comes_after_a_gap_is_given_up(world: World, worker: ScriptedWorker) -> None:
    """A database from a backup lacks what the worker has forgotten: only another attempt goes on from there."""
    run_id = world.add_run()
    training = worker.train(run_id)
    training.write("notice", text="lost for ever")
    training.write("completed", step=50, elapsed_seconds=1.0)
    for _ in range(8):
        training.send(3)
        pass_time(world, 5)
    assert (world.run(run_id).status, world.run(run_id).attempt) == ("queued", 2)


def test_a_worker_that_holds_something_else_does_not_keep_it(world: World, worker: ScriptedWorker) -> None:
    run_id = training_run(world, worker)
    worker.trainings[0].claim_id = "another"
    for _ in range(12):
        worker.seen()
        pass_time(world, 3)
    assert world.run(run_id).status == "queued"


@pytest.mark.parametrize(("desired", "status"), [(Desired.PAUSE, "paused"), (Desired.STOP, "stopped")])
def test_a_lost_run_goes_where_it_is_wanted(
    world: World, worker: ScriptedWorker, desired: Desired, status: str
) -> None:
    run_id = training_run(world, worker)
    world.want(run_id, desired)
    pass_time(world, SILENCE_SECONDS + 5)
    run = world.run(run_id)
    assert (run.status, run.attempt) == (status, 2)


def test_a_claim_that_is_never_used_is_lost_too(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    worker.claim(run_id)
    world.step()
    assert world.run(run_id).status == "starting"
    pass_time(world, SILENCE_SECONDS + 5)
    assert world.run(run_id).status == "queued"


def test_a_run_that_is_lost_again_and_again_fails_with_the_end_of_its_log(world: World, worker: ScriptedWorker) -> None:
    run_id = training_run(world, worker)
    world.edit(run_id, crashes=MAX_CRASHES - 1)
    pass_time(world, SILENCE_SECONDS + 5)
    run = world.run(run_id)
    assert run.status == "failed"
    assert run.reason is not None
    assert run.reason.endswith("the last thing it said")


def test_the_lost_holder_is_fenced_off(world: World, worker: ScriptedWorker) -> None:
    run_id = training_run(world, worker)
    training = worker.trainings[0]
    pass_time(world, SILENCE_SECONDS + 5)
    training.say("completed", step=50, elapsed_seconds=1.0)
    world.step()
    assert (world.run(run_id).status, world.run(run_id).attempt) == ("queued", 2)


def test_a_new_controller_gives_the_whole_grace_again(world: World, worker: ScriptedWorker) -> None:
    run_id = training_run(world, worker)
    pass_time(world, 20)
    world.restart_controller()
    pass_time(world, 20)
    assert world.run(run_id).status == "running"
    pass_time(world, 15)
    assert world.run(run_id).status == "queued"


def test_a_time_in_which_the_controller_stood_still_is_no_silence(world: World, worker: ScriptedWorker) -> None:
    run_id = training_run(world, worker)
    pass_time(world, 20)
    world.clock.now += 100
    pass_time(world, 20)
    assert world.run(run_id).status == "running"
    pass_time(world, 15)
    assert world.run(run_id).status == "queued"


def test_what_waits_in_the_stream_is_heard_before_anybody_is_judged(world: World, worker: ScriptedWorker) -> None:
    run_id = training_run(world, worker)
    pass_time(world, SILENCE_SECONDS - 1)
    worker.trainings[0].points(1)
    pass_time(world, 20)
    assert world.run(run_id).status == "running"


@contextmanager
def redis_refusing_writes(world: World) -> Iterator[None]:
    world.redis.config_set("maxmemory", "1")
    yield
    world.redis.config_set("maxmemory", "0")


def test_a_time_in_which_redis_took_nothing_is_no_silence(world: World, worker: ScriptedWorker) -> None:
    run_id = training_run(world, worker)
    pass_time(world, 20)
    with redis_refusing_writes(world):
        with pytest.raises(redis.RedisError):
            worker.seen()
        pass_time(world, 60)
    pass_time(world, 20)
    assert world.run(run_id).status == "running"
    pass_time(world, 15)
    assert world.run(run_id).status == "queued"


def test_a_full_redis_is_drained(world: World, worker: ScriptedWorker) -> None:
    run_id = training_run(world, worker)
    worker.trainings[0].points(1, 2)
    with redis_refusing_writes(world):
        world.step()
    assert [step for step, _ in world.curve(run_id)] == [1, 2]
    assert world.waiting_messages() == 0


def test_a_time_in_which_the_database_was_away_is_no_silence(world: World, worker: ScriptedWorker) -> None:
    run_id = training_run(world, worker)
    pass_time(world, 20)
    world.fail_fast()
    blocker = Database(world.database.url)
    with blocker.write() as session:
        next_change(session)
        world.clock.now += 20
        worker.trainings[0].points(1)
        with pytest.raises(OperationalError, match="locked"):
            world.step()
    blocker.close()
    assert world.waiting_messages() > 0
    pass_time(world, 20)
    assert world.run(run_id).status == "running"
    assert [step for step, _ in world.curve(run_id)] == [1]


def test_what_an_orderly_leaving_worker_still_held_is_lost_at_once(world: World, worker: ScriptedWorker) -> None:
    run_id = training_run(world, worker)
    worker.seen()
    pass_time(world, 3)
    worker.gone()
    pass_time(world, 5)
    assert world.run(run_id).status == "queued"
    assert world.worker("w1").gone


def test_what_the_boot_before_held_is_lost_soon(world: World, worker: ScriptedWorker) -> None:
    run_id = training_run(world, worker)
    worker.seen()
    pass_time(world, 3)
    worker.reboot()
    worker.seen()
    pass_time(world, 1)
    assert world.run(run_id).status == "running"
    pass_time(world, 6)
    run = world.run(run_id)
    assert (run.status, run.reason) == ("queued", "worker w1 ended without it")


def test_a_boot_that_says_what_the_last_one_left_unsaid_releases_it_itself(
    world: World, worker: ScriptedWorker
) -> None:
    run_id = training_run(world, worker)
    worker.seen()
    pass_time(world, 3)
    (orphan,) = worker.trainings
    worker.reboot()
    worker.seen()
    orphan.points(1, 2)
    orphan.checkpoint(2)
    orphan.say("released", reason="its worker died", crashed=True)
    pass_time(world, 6)
    run = world.run(run_id)
    assert (run.status, run.reason, run.crashes, run.step) == ("queued", "its worker died", 1, 2)


def test_a_run_that_the_new_boot_took_over_is_not_lost(world: World, worker: ScriptedWorker) -> None:
    worker.seen()
    pass_time(world, 3)
    worker.reboot()
    worker.seen()
    run_id = world.add_run()
    worker.train(run_id)
    for _ in range(4):
        worker.seen()
        pass_time(world, 3)
    assert world.run(run_id).status == "running"


def test_a_silent_worker_is_gone_and_comes_back(world: World, worker: ScriptedWorker) -> None:
    worker.seen()
    pass_time(world, SILENCE_SECONDS + 5)
    assert (world.worker("w1").gone, world.worker("w1").free_devices) == (True, [])
    worker.seen()
    world.step()
    assert (world.worker("w1").gone, world.worker("w1").free_devices) == (False, ["cpu:0"])


def test_only_what_a_page_shows_of_a_worker_takes_a_number(world: World, worker: ScriptedWorker) -> None:
    waiting = world.add_run()
    worker.seen()
    world.step()
    assert len(world.changes("workers")) == 1
    assert [change.subject for change in world.changes("run")][-1] == waiting
    for _ in range(5):
        worker.seen()
        world.step()
    assert len(world.changes("workers")) == 1
    worker.seen(free=())
    world.step()
    assert len(world.changes("workers")) == 2
    worker.gone()
    world.step()
    assert len(world.changes("workers")) == 3


def test_the_judge_forgets_who_is_no_longer_live() -> None:
    judge = Judge(Clock())
    worker = {"worker_id": "w", "boot_id": "b", "at": "2026-01-01T00:00:00Z"}
    held = [{"run_id": f"r{number}", "attempt": 1, "claim_id": "c"} for number in range(100)]
    seen = worker | {"kind": "worker_seen", "host": "h", "root_id": "r", "devices": [], "free_devices": []}
    judge.hear([MESSAGE.validate_python(seen | {"holding": held})])
    judge.hear([MESSAGE.validate_python(worker | {"kind": "worker_gone"})])
    judge.lost({Holder("r1", 1, "c")}, at=0.0)
    assert set(judge._heard) == set(judge._boot_of) == {Holder("r1", 1, "c")}
    assert set(judge._ended) == {Boot("w", "b")}
    judge.lost(set(), at=0.0)
    assert not judge._ended
