"""Messages may come twice, late, in another order or not at all: what is in SQL in the end is the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from backend.db.session import Database
from backend.db.tables import Attempt, Change, Checkpoint, LogLine, Metric, Run, RunEvent
from tests.controller.world import RedisServer, ScriptedTraining, ScriptedWorker, World, checkpoint, point, started


def test_a_message_that_comes_again_changes_nothing(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    training.say("log", lines=["once"])
    training.points(1)
    world.step()
    number = world.run(run_id).change
    training.send(1, 2, 3, 1)
    world.step()
    assert [item.line for item in world.rows(LogLine)] == ["once"]
    assert world.run(run_id).change == number
    assert world.waiting_messages() == 0


def test_what_comes_after_a_gap_is_dropped_until_it_is_sent_again(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    for step in (1, 2, 3):
        training.write("metrics", points=[point(step, **{"train/loss": 1.0})])
    training.send(3, 4)
    world.step()
    assert world.curve(run_id) == []
    assert world.run(run_id).ingested_through == 1
    training.send(2)
    world.step()
    assert [step for step, _ in world.curve(run_id)] == [1]
    training.send(3, 4)
    world.step()
    assert [step for step, _ in world.curve(run_id)] == [1, 2, 3]


def test_an_answer_comes_even_to_what_was_known(world: World, worker: ScriptedWorker) -> None:
    """A worker that missed the first answer, or Redis that lost it, gets it by saying something again."""
    run_id = world.add_run()
    training = worker.train(run_id)
    training.say("paused", step=0)
    world.step()
    world.redis.flushall()
    training.send(1)
    world.step(seconds=1)
    key = world.key(run_id)
    assert key is not None
    assert key.attempt == world.run(run_id).attempt


#: One attempt with every kind of message in it; the last one ends it.
SCRIPT: list[tuple[str, dict[str, Any]]] = [
    ("started", started()),
    ("metrics", {"points": [point(1, **{"train/loss": 2.0}), point(2, **{"train/loss": 1.5, "val/top1": 40.0})]}),
    ("log", {"lines": ["epoch 1"]}),
    ("checkpoint", checkpoint("r_same", 1, 2, best=True)),
    ("metrics", {"points": [point(3, **{"train/loss": 1.2}), point(4, **{"val/top1": 30.0})]}),
    ("notice", {"text": "a bad image"}),
    ("checkpoint", checkpoint("r_same", 1, 4)),
    ("checkpoint_removed", {"root_id": "root-1", "path": "runs/r_same/attempt-1/step-2.pt"}),
    ("log", {"lines": ["killed"]}),
    ("released", {"reason": "its trainer died", "crashed": True}),
]
NUMBERS = st.integers(1, len(SCRIPT))
#: What the network does: each inner list is what arrives before the controller looks; None restarts the controller.
DELIVERIES = st.lists(st.one_of(st.none(), st.lists(NUMBERS, max_size=12)), max_size=8)


@pytest.fixture(scope="module")
def one_world(migrated_file: Path, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("order") / "resdrop.db"
    shutil.copy(migrated_file, path)
    database = Database(f"sqlite:///{path}")
    world = World(database, redis_server.url)
    yield world
    world.close()
    database.close()


@pytest.fixture(scope="module")
def in_order(one_world: World) -> dict[str, Any]:
    """What is in SQL when nothing goes wrong on the way."""
    return _after(one_world, [list(range(1, len(SCRIPT) + 1))])


@given(deliveries=DELIVERIES)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_any_delivery_that_is_completed_by_sending_again_ends_the_same(
    one_world: World, in_order: dict[str, Any], deliveries: list[Any]
) -> None:
    assert _after(one_world, deliveries) == in_order


def _after(world: World, deliveries: list[list[int] | None]) -> dict[str, Any]:
    _empty(world)
    training = _granted(world)
    for numbers in deliveries:
        if numbers is None:
            world.restart_controller()
            continue
        training.send(*numbers)
        world.step()
    _send_again_until_known(world, training)
    return _state(world)


def _granted(world: World) -> ScriptedTraining:
    training = ScriptedWorker(world).claim(world.add_run("r_same"))
    world.step()
    for kind, body in SCRIPT:
        training.write(kind, **body)
    return training


def _send_again_until_known(world: World, training: ScriptedTraining) -> None:
    """As a supervisor does: everything after what the controller says it has, until it has all or has gone on."""
    for _ in range(3):
        (attempt, *_) = world.rows(Attempt)
        training.send(*range(attempt.ingested_through + 1, len(SCRIPT) + 1))
        world.step()
    assert world.rows(Attempt)[0].ingested_through == len(SCRIPT)


#: Two attempts of which the second went on from step 3, said in any order among each other.
OLDER: list[tuple[str, dict[str, Any]]] = [
    ("metrics", {"points": [point(step, **{"train/loss": 1.0, "val/top1": 60.0 + step}) for step in (1, 2)]}),
    ("checkpoint", checkpoint("r_same", 1, 2, best=True)),
    ("metrics", {"points": [point(step, **{"train/loss": 1.0, "val/top1": 60.0 + step}) for step in (3, 4, 5)]}),
    ("checkpoint", checkpoint("r_same", 1, 5, best=True)),
]
NEWER: list[tuple[str, dict[str, Any]]] = [
    ("started", started(3)),
    ("metrics", {"points": [point(4, **{"train/loss": 2.0, "val/top1": 20.0})]}),
    ("checkpoint", checkpoint("r_same", 2, 4, best=True)),
]


@given(order=st.permutations([1] * len(OLDER) + [2] * len(NEWER)), seldom=st.booleans())
@settings(max_examples=20, deadline=None, derandomize=True)
def test_what_an_older_attempt_says_late_ends_the_same_whenever_it_comes(
    one_world: World, order: list[int], seldom: bool
) -> None:
    world = one_world
    _empty(world)
    worker, run_id = ScriptedWorker(world), world.add_run("r_same")
    older = worker.claim(run_id)
    older.say("started", **started())
    world.step()
    world.lose(run_id)
    newer = worker.claim(run_id)
    world.step()
    waiting = {1: iter(OLDER), 2: iter(NEWER)}
    for number in order:
        kind, body = next(waiting[number])
        (older if number == 1 else newer).say(kind, **body)
        if not seldom:
            world.step()
    world.step(3)
    assert world.curve(run_id) == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0)]
    run = world.run(run_id)
    assert (run.status, run.step, run.latest) == ("running", 4, {"train/loss": 2.0, "val/top1": 20.0})
    assert (run.best_top1, run.best_epoch) == (63.0, 0.3)
    saved = sorted((item.attempt, item.step, item.best) for item in world.rows(Checkpoint))
    assert saved == [(1, 2, False), (2, 4, True)]


def _empty(world: World) -> None:
    world.redis.flushall()
    with world.database.write() as session:
        session.execute(delete(Run))
        session.execute(delete(Change))


#: Times and numbers that differ between any two runs of the same story.
_PASSING = {"id", "at", "change", "created_at", "queued_at", "started_at", "ended_at", "heard_at", "not_before"}
_PASSING |= {"claim_id", "last_point_at"}


def _state(world: World) -> dict[str, Any]:
    tables = (Run, Attempt, Metric, Checkpoint, LogLine, RunEvent)
    return {table.__tablename__: [_lasting(row) for row in world.rows(table)] for table in tables}


def _lasting(row: Any) -> dict[str, Any]:
    columns = [column.name for column in row.__table__.columns if column.name not in _PASSING]
    return {name: json.dumps(getattr(row, name), default=str) for name in columns}
