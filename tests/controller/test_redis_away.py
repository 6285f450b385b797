"""Redis is killed, started again or wiped: the controller goes on, and says again what got lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from backend.controller.controller import Controller
from backend.db.changes import next_change
from backend.db.session import Database
from tests.controller.world import RedisServer, ScriptedWorker, World, wait_until
from worker.contract.status import Desired


@pytest.fixture
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def running(database: Database, own_redis: RedisServer) -> Iterator[World]:
    """A world whose controller runs as it does in its process."""
    world = World(database, own_redis.url)
    world.controller.close()
    world.controller = Controller(database, redis_url=own_redis.url)
    stopping = threading.Event()
    thread = threading.Thread(target=world.controller.run, args=(stopping,), kwargs={"is_alone": lambda: True})
    thread.start()
    yield world
    stopping.set()
    thread.join()
    world.close()


def start(world: World) -> tuple[str, ScriptedWorker]:
    worker = ScriptedWorker(world)
    run_id = world.add_run()
    worker.seen()
    training = worker.claim(run_id)
    worker.trainings.append(training)
    training.say("started", epochs=1, steps_per_epoch=10, step=0, device="cpu", threads=1)
    wait_for_status(world, run_id, "running")
    return run_id, worker


def wait_for_status(world: World, run_id: str, status: str) -> None:
    wait_until(lambda: world.run(run_id).status == status, what=f"{run_id} to be {status}")


def test_a_wiped_redis_is_told_everything_again(running: World) -> None:
    run_id, worker = start(running)
    running.redis.flushall()
    wait_until(lambda: running.key(run_id), what="the key to be back")
    key = running.key(run_id)
    assert key is not None
    assert (key.claim_id, key.ingested_through) == (worker.trainings[0].claim_id, 1)
    worker.trainings[0].points(1)
    wait_until(lambda: running.curve(run_id), what="points through the new stream")


def test_a_redis_that_dies_and_comes_back_loses_nothing(running: World, own_redis: RedisServer) -> None:
    run_id, worker = start(running)
    waiting = running.add_run()
    own_redis.kill()
    running.want(run_id, Desired.PAUSE)
    running.clock.now += 1
    own_redis.start()
    wait_until(lambda: (key := running.key(run_id)) and key.desired is Desired.PAUSE, what="the wish in the key")
    training = worker.trainings[0]
    training.points(1)
    training.say("paused", step=1)
    wait_for_status(running, run_id, "paused")
    wait_until(lambda: waiting in running.rung(), what="the next run to be rung over a new connection")


def test_a_locked_database_only_delays(running: World, caplog: pytest.LogCaptureFixture) -> None:
    run_id, worker = start(running)
    blocker = Database(running.database.url)
    running.fail_fast()
    with blocker.write() as session:
        next_change(session)
        worker.trainings[0].points(1, 2)
        wait_until(lambda: "is away" in caplog.text, what="the lock to be in the way")
        assert running.waiting_messages() > 0
    wait_until(lambda: running.curve(run_id), what="points after the lock is gone")
    assert [step for step, _ in running.curve(run_id)] == [1, 2]
    blocker.close()
