"""A database that has lost commits (a restored backup, a power failure) beside a Redis that has kept what they told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.controller.lost_commits import REASON
from tests.controller.world import ScriptedWorker, World
from worker.contract import names
from worker.contract.messages import LAST_REVISION
from worker.contract.numbers import LARGEST, LARGEST_COUNTED
from worker.contract.status import Desired, RunStatus

ROUND = 6.0


@pytest.fixture
def backup(world: World, tmp_path: Path) -> Callable[[], Callable[[], None]]:
    """Takes a backup; what it returns brings it back."""

    def take() -> Callable[[], None]:
        world.copy_database(tmp_path / "backup.db")
        return lambda: world.restore_database(tmp_path / "backup.db")

    return take


Backup = Callable[[], Callable[[], None]]


def was_noticed(world: World, run_id: str) -> bool:
    return ("notice", REASON) in world.history(run_id)


def assert_trains_to_the_end(world: World, worker: ScriptedWorker, run_id: str) -> None:
    """It is rung, claimed and completed as any other."""
    worker.trainings = []
    worker.seen()
    world.step(2, seconds=ROUND)
    rings = [ring for ring in world.rings() if ring["run_id"] == run_id]
    assert [ring.get("attempt") for ring in rings][-1:] == [world.run(run_id).attempt]
    training = worker.train(run_id)
    assert world.run(run_id).claim_id == training.claim_id
    training.say("completed", step=9, elapsed_seconds=1.0)
    world.step()
    assert world.run(run_id).status == "completed"


def test_a_wish_that_was_lost_is_no_longer_in_the_key(world: World, backup: Backup) -> None:
    run_id = world.add_run()
    world.step()
    restore = backup()
    world.change(run_id, RunStatus.PAUSED)
    world.step(seconds=ROUND)
    restore()
    world.step()
    key, run = world.key(run_id), world.run(run_id)
    assert key is not None
    assert (key.desired, key.attempt, key.revision) == (Desired.RUN, 1, run.revision)
    assert (run.status, run.attempt) == ("queued", 1)
    assert was_noticed(world, run_id)


def test_a_grant_that_was_lost_is_outdone_by_a_new_attempt(
    world: World, worker: ScriptedWorker, backup: Backup
) -> None:
    run_id = world.add_run()
    worker.seen()
    world.step()
    restore = backup()
    worker.train(run_id)
    restore()
    world.step()
    key, run = world.key(run_id), world.run(run_id)
    assert key is not None
    assert (run.status, run.attempt) == ("queued", 2)
    assert (key.attempt, key.claim_id, key.revision) == (2, None, run.revision)
    assert_trains_to_the_end(world, worker, run_id)


def test_attempts_that_were_lost_are_never_made_again(world: World, worker: ScriptedWorker, backup: Backup) -> None:
    run_id = world.add_run()
    worker.seen()
    world.step()
    restore = backup()
    for _ in range(3):
        training = worker.train(run_id)
        training.say("released", reason="an upgrade", crashed=False)
        world.step()
        worker.trainings = []
    assert world.run(run_id).attempt == 4
    restore()
    world.step()
    assert (world.run(run_id).status, world.run(run_id).attempt) == ("queued", 5)
    assert_trains_to_the_end(world, worker, run_id)


@pytest.mark.parametrize("is_wiped", [False, True], ids=["redis kept all", "redis was wiped"])
def test_what_a_worker_trains_without_sqls_knowledge_is_outdone(
    world: World, worker: ScriptedWorker, backup: Backup, is_wiped: bool
) -> None:
    """Its sign of life tells, even where Redis has lost all as well."""
    run_id = world.add_run()
    worker.seen()
    world.step()
    restore = backup()
    training = worker.train(run_id)
    told = training.as_told()
    restore()
    if is_wiped:
        world.redis.flushall()
    worker.tell_holding(told)
    world.step()
    key, run = world.key(run_id), world.run(run_id)
    assert key is not None
    assert (run.status, run.attempt, run.claim_id) == ("queued", 2, None)
    assert key.attempt == 2
    assert key.revision > told["revision"]


@pytest.mark.parametrize("is_wiped", [False, True], ids=["redis kept all", "redis was wiped"])
def test_an_attempt_whose_messages_were_lost_begins_anew_from_the_newest_checkpoint(
    world: World, worker: ScriptedWorker, backup: Backup, is_wiped: bool
) -> None:
    """The worker has forgotten what was acknowledged, so that what follows would be a gap for ever."""
    run_id = world.add_run()
    worker.seen()
    training = worker.train(run_id)
    training.points(1, 2, 3)
    training.checkpoint(3)
    world.step()
    restore = backup()
    training.points(4, 5, 6)
    training.checkpoint(6)
    world.step()
    told = training.as_told()
    assert told["acknowledged_through"] == 5
    restore()
    if is_wiped:
        world.redis.flushall()
    worker.tell_holding(told)
    training.points(7)
    world.step()
    run = world.run(run_id)
    assert (run.status, run.attempt, run.reason) == ("queued", 2, REASON)
    worker.trainings = []
    worker.seen()
    world.step(2, seconds=ROUND)
    (ring, *_) = world.rings()
    assert [checkpoint["step"] for checkpoint in ring["checkpoints"]] == [3]
    assert_trains_to_the_end(world, worker, run_id)


def test_a_run_that_sql_knows_as_ended_ends_its_lost_training(
    world: World, worker: ScriptedWorker, backup: Backup
) -> None:
    run_id = world.add_run()
    worker.seen()
    world.step()
    world.change(run_id, RunStatus.STOPPED)
    restore = backup()
    world.change(run_id, RunStatus.QUEUED)
    training = worker.train(run_id)
    told = training.as_told()
    restore()
    worker.tell_holding(told)
    world.step()
    key, run = world.key(run_id), world.run(run_id)
    assert key is not None
    assert run.status == "stopped"
    assert (key.attempt, key.desired) == (run.attempt, Desired.STOP)
    assert key.attempt > training.attempt


def test_a_run_that_only_redis_knows_is_over(world: World, worker: ScriptedWorker, backup: Backup) -> None:
    worker.seen()
    world.step()
    restore = backup()
    run_id = world.add_run()
    training = worker.train(run_id)
    told = training.as_told()
    restore()
    worker.tell_holding(told)
    world.step()
    key = world.key(run_id)
    assert key is not None
    assert (key.attempt, key.desired, key.revision) == (2, Desired.STOP, LAST_REVISION)


def test_a_backup_that_has_the_run_takes_its_last_word_back(
    world: World, worker: ScriptedWorker, backup: Backup, tmp_path: Path
) -> None:
    """First an older backup was tried, then a newer one."""
    worker.seen()
    world.step()
    world.copy_database(tmp_path / "older.db")
    run_id = world.add_run()
    world.step()
    restore = backup()
    world.restore_database(tmp_path / "older.db")
    worker.claim(run_id, attempt=1)
    world.step()
    restore()
    world.step()
    key = world.key(run_id)
    assert key is not None
    assert (key.attempt, key.desired) == (1, Desired.RUN)
    assert_trains_to_the_end(world, worker, run_id)


def test_another_wish_under_the_same_revision_is_told(world: World, worker: ScriptedWorker, backup: Backup) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    world.step()
    restore = backup()
    world.want(run_id, Desired.PAUSE)
    world.step(seconds=ROUND)
    restore()
    world.want(run_id, Desired.STOP)
    world.step()
    key = world.key(run_id)
    assert key is not None
    assert (key.desired, key.claim_id) == (Desired.STOP, training.claim_id)


def test_a_newer_key_of_the_api_is_no_loss(world: World) -> None:
    """The controller read the run before the API changed it, and publishes it after."""
    run_id = world.add_run()
    world.step()
    read_before = world.run(run_id)
    world.change(run_id, RunStatus.PAUSED)
    world.controller._doorbell.publish_key(world.run(run_id))
    world.controller._keys.want([read_before])
    world.step(2)
    key = world.key(run_id)
    assert key is not None
    assert key.desired is Desired.PAUSE
    assert not was_noticed(world, run_id)
    assert world.run(run_id).revision == key.revision == 2


UNREADABLE: dict[str, str | bytes] = {
    "no JSON": "garbage",
    "empty": "",
    "null": "null",
    "a list": "[1, 2]",
    "a number": "7",
    "no revision": "{}",
    "a revision that is a text": '{"revision": "9"}',
    "a revision that is no whole number": '{"revision": 9.5, "ingested_through": 1}',
    "a revision beyond all": json.dumps({"revision": 10**30, "ingested_through": 0}),
    "a revision below all": json.dumps({"revision": -5, "ingested_through": 0}),
    "an attempt beyond all": json.dumps({"revision": 99, "run_id": "r_damaged", "attempt": 10**30, "desired": "run"}),
    "an attempt that no run comes to": json.dumps(
        {"revision": 99, "run_id": "r_damaged", "attempt": LARGEST, "desired": "run"}
    ),
    "another run's": json.dumps({"revision": 99, "run_id": "r_nope", "attempt": 1, "desired": "run"}),
    "another run's of the same revision": json.dumps(
        {"revision": 1, "run_id": "r_nope", "attempt": 1, "desired": "pause", "claim_id": None, "ingested_through": 9}
    ),
    "a wish that is none": json.dumps({"revision": 99, "run_id": "x", "attempt": 1, "desired": "dance"}),
    "not UTF-8": b'{"revision": 99, "run_id": "\xff", "attempt": 1, "desired": "r\xffn"}',
    "nested deeply": "[" * 3000,
    "huge": "x" * 2_000_000,
}


@pytest.mark.parametrize("kind", [*UNREADABLE, "list", "hash", "stream"])
def test_one_key_that_cannot_be_read_is_replaced_and_holds_up_no_other(world: World, kind: str) -> None:
    damaged, other = world.add_run("r_damaged"), world.add_run()
    key = names.run_key(damaged)
    match kind:
        case "list":
            world.redis.rpush(key, "x")
        case "hash":
            world.redis.hset(key, "x", "y")
        case "stream":
            world.redis.xadd(key, {"x": "y"})
        case _:
            world.redis.set(key, UNREADABLE[kind])
    world.step()
    for run_id in (damaged, other):
        found = world.key(run_id)
        assert found is not None
        assert (found.run_id, found.revision, found.attempt) == (run_id, 1, 1)
    assert not was_noticed(world, damaged)


def held(run_id: str, **told: object) -> dict[str, object]:
    return {"run_id": run_id, "attempt": 1, "claim_id": "c", "is_granted": True} | told


@pytest.mark.parametrize("revision", [LARGEST_COUNTED, LARGEST_COUNTED + 1, LAST_REVISION, LAST_REVISION + 1, 10**30])
def test_no_revision_that_a_worker_tells_takes_a_run_beyond_what_a_key_can_say(
    world: World, worker: ScriptedWorker, revision: int
) -> None:
    run_id, other = world.add_run(), world.add_run()
    training = worker.train(run_id)
    worker.tell_holding(training.holder | {"is_granted": True, "revision": revision})
    world.step(2, seconds=ROUND)
    assert world.run(run_id).revision <= LARGEST_COUNTED + 1
    world.want(run_id, Desired.PAUSE)
    world.want(other, Desired.STOP)
    world.step(2, seconds=ROUND)
    for paused, desired in ((run_id, Desired.PAUSE), (other, Desired.STOP)):
        key = world.key(paused)
        assert key is not None
        assert (key.desired, key.revision) == (desired, world.run(paused).revision)


@pytest.mark.parametrize("attempt", [LARGEST_COUNTED, LARGEST_COUNTED + 1, LARGEST, LARGEST + 1, 10**30])
def test_no_attempt_that_a_worker_tells_takes_a_run_beyond_what_can_be_trained(
    world: World, worker: ScriptedWorker, attempt: int
) -> None:
    run_id = world.add_run()
    worker.seen()
    world.step()
    worker.tell_holding(held(run_id, attempt=attempt), held("r_strange", attempt=attempt))
    world.step(2, seconds=ROUND)
    assert_trains_to_the_end(world, worker, run_id)


@pytest.mark.parametrize("column", ["revision", "attempt"])
def test_a_row_that_makes_no_key_holds_up_no_other_run(world: World, worker: ScriptedWorker, column: str) -> None:
    """An earlier version let a worker count it up that far."""
    damaged, other = world.add_run(), world.add_run()
    world.edit(damaged, **{column: LARGEST + 1})
    worker.seen()
    world.step(3, seconds=ROUND)
    assert world.key(damaged) is None
    assert_trains_to_the_end(world, worker, other)


def test_a_wish_that_is_none_holds_up_no_other_run(world: World, worker: ScriptedWorker) -> None:
    damaged, other = world.add_run(), world.add_run()
    world.edit(damaged, desired="dance")
    world.step(2, seconds=ROUND)
    assert_trains_to_the_end(world, worker, other)


@pytest.mark.parametrize("column", ["revision", "desired"])
def test_the_newest_row_that_makes_no_key_holds_up_none_of_the_older_ones(world: World, column: str) -> None:
    """Keys are published in the order of the changes, the newest first."""
    others = [world.add_run() for _ in range(3)]
    damaged = world.add_run()
    world.edit(damaged, **{column: {"revision": LARGEST + 1, "desired": "dance"}[column]})
    world.step(2, seconds=ROUND)
    assert world.key(damaged) is None
    assert None not in [world.key(run_id) for run_id in others]
    world.want(others[0], Desired.PAUSE)
    world.step(2, seconds=ROUND)
    key = world.key(others[0])
    assert key is not None
    assert key.desired is Desired.PAUSE


def test_one_key_that_redis_refuses_holds_up_no_other(world: World) -> None:
    """It takes writes, only not this one."""
    other, refused = world.add_run(), world.add_run()
    world.redis.execute_command("ACL", "SETUSER", "default", "resetkeys", f"%R~{names.run_key(refused)}")
    for pattern in (names.run_key(other), f"{names.MESSAGES_STREAM}*", f"{names.TRAIN_QUEUE}*", f"{names.HEALTH_KEY}*"):
        world.redis.execute_command("ACL", "SETUSER", "default", f"~{pattern}")
    try:
        world.step(2, seconds=ROUND)
        assert world.key(refused) is None
        key = world.key(other)
    finally:
        world.redis.execute_command("ACL", "SETUSER", "default", "allkeys")
    assert key is not None
    world.step(2, seconds=ROUND)
    assert world.key(refused) is not None
