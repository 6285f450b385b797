"""Processes are killed and Redis goes away: nothing may train on unseen, and nothing that was said may be lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from tests.jobs.parts import Controller, RedisServer, WorkerProcess, is_alive, wait_until
from tests.support.measuring import measured
from worker.contract.status import Desired

pytestmark = pytest.mark.fault

StartWorker = Callable[..., WorkerProcess]


def begin(controller: Controller, start_worker: StartWorker, *, name: str = "count") -> WorkerProcess:
    worker = start_worker()
    controller.launch("r_1", name=name)
    wait_until(lambda: controller.last_step("r_1") >= 10, what="step 10", report=worker.log)
    return worker


def assert_all_steps_arrived(controller: Controller) -> None:
    points = [p for message in controller.of("r_1") if message.kind == "metrics" for p in message.points]
    assert [point.step for point in points] == list(range(1, len(points) + 1))


def wait_for_end(controller: Controller, worker: WorkerProcess, *, seconds: float = 60) -> None:
    wait_until(lambda: controller.last_word("r_1"), seconds=seconds, what="the end", report=worker.log)


def test_a_killed_trainer_is_released_as_crashed_with_the_end_of_its_log(
    controller: Controller, start_worker: StartWorker
) -> None:
    worker = begin(controller, start_worker)
    (trainer,) = worker.trainers()
    trainer.kill()
    wait_for_end(controller, worker)
    released = controller.last_word("r_1")
    assert (released.kind, released.crashed) == ("released", True)
    assert "SIGKILL" in released.reason
    assert released.log_tail == ["the stand-in begins count"]
    assert_all_steps_arrived(controller)


def test_the_children_of_a_killed_trainer_are_ended_before_it_is_released(
    controller: Controller, start_worker: StartWorker
) -> None:
    worker = begin(controller, start_worker, name="children")
    family = worker.trainers()
    leader = min(family, key=lambda process: process.create_time())
    leader.kill()
    wait_for_end(controller, worker)
    assert len(family) == 2
    assert not any(map(is_alive, family))


def test_a_segmentation_fault_is_released_as_crashed(controller: Controller, start_worker: StartWorker) -> None:
    worker = start_worker()
    controller.launch("r_1", name="crash")
    wait_for_end(controller, worker)
    assert "SIGSEGV" in controller.last_word("r_1").reason
    assert controller.last_word("r_1").log_tail[1] == "something is about to go wrong"


@pytest.mark.parametrize("name", ["count", "children"])
def test_a_killed_workers_training_dies_with_it_and_its_next_start_releases_the_run(
    controller: Controller, start_worker: StartWorker, name: str
) -> None:
    worker = begin(controller, start_worker, name=name)
    family = worker.trainers()
    worker.signal(signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, family)), what="the training to die with its worker")
    assert controller.last_word("r_1") is None
    again = start_worker()
    wait_for_end(controller, again)
    released = controller.last_word("r_1")
    assert (released.kind, released.crashed) == ("released", True)
    assert released.reason == "its worker died"
    assert released.log_tail == [f"the stand-in begins {name}"]
    assert_all_steps_arrived(controller)
    wait_until(lambda: again.spools() == [], what="the spool to be deleted", report=again.log)


def test_what_a_killed_worker_had_not_sent_is_sent_at_its_next_start(
    controller: Controller, start_worker: StartWorker, redis_server: RedisServer
) -> None:
    worker = begin(controller, start_worker)
    redis_server.stop()
    time.sleep(1)
    worker.signal(signal.SIGKILL)
    worker.wait()
    before = controller.last_step("r_1")
    redis_server.start()
    again = start_worker()
    wait_for_end(controller, again)
    assert controller.last_step("r_1") > before + 20
    assert_all_steps_arrived(controller)


def test_a_superseded_attempts_orphaned_spool_is_sent_and_then_forgotten(
    controller: Controller, start_worker: StartWorker
) -> None:
    worker = begin(controller, start_worker)
    controller.acknowledges = False
    worker.signal(signal.SIGKILL)
    worker.wait()
    controller.change("r_1", attempt=2, claim_id=None, ingested_through=0)
    again = start_worker()
    wait_for_end(controller, again)
    wait_until(lambda: again.spools() == [], what="the spool to be forgotten", report=again.log)


def test_a_redis_that_restarts_ends_no_training_and_loses_no_message(
    controller: Controller, start_worker: StartWorker, redis_server: RedisServer
) -> None:
    worker = begin(controller, start_worker)
    trainers = worker.trainers()
    redis_server.stop()
    time.sleep(1.5)
    with measured("Redis is killed and started again after 1.5 s, until the steps of that time are there"):
        redis_server.start()
        step = controller.last_step("r_1") + 150
        wait_until(lambda: controller.last_step("r_1") >= step, what="the steps of the outage", report=worker.log)
    assert all(map(is_alive, trainers))
    controller.change("r_1", desired=Desired.PAUSE)
    wait_for_end(controller, worker)
    assert controller.last_word("r_1").kind == "paused"
    assert_all_steps_arrived(controller)
    controller.launch("r_2", name="short")
    wait_until(lambda: controller.last_word("r_2"), what="a ring to be heard afterwards", report=worker.log)


def test_a_redis_that_was_wiped_is_told_again_what_it_lost(
    controller: Controller, start_worker: StartWorker, redis_server: RedisServer
) -> None:
    worker = begin(controller, start_worker)
    controller.close()
    time.sleep(0.3)
    redis_server.wipe()
    redis_server.start()
    successor = Controller(redis_server.url)
    successor.messages, successor.keys = controller.messages, controller.keys
    try:
        assert worker.trainers(), "an absent key ends nothing"
        step = controller.last_step("r_1") + 100
        wait_until(lambda: successor.last_step("r_1") >= step, what="later steps", report=worker.log)
        successor.publish_all()
        successor.change("r_1", desired=Desired.STOP)
        wait_for_end(successor, worker)
        wait_until(lambda: worker.spools() == [], what="all to be acknowledged", report=worker.log)
        assert_all_steps_arrived(successor)
    finally:
        successor.close()


def test_a_pause_that_was_asked_while_redis_was_away_is_obeyed_when_it_is_back(
    controller: Controller, start_worker: StartWorker, redis_server: RedisServer
) -> None:
    worker = begin(controller, start_worker)
    redis_server.stop()
    controller.keys["r_1"] = controller.keys["r_1"].model_copy(update={"desired": Desired.PAUSE, "revision": 1000})
    time.sleep(0.5)
    redis_server.start()
    controller.publish_all()
    wait_for_end(controller, worker)
    assert controller.last_word("r_1").kind == "paused"


def test_a_second_sigterm_ends_everything_at_once(controller: Controller, start_worker: StartWorker) -> None:
    worker = start_worker()
    controller.launch("r_1", name="deaf")
    wait_until(lambda: controller.of("r_1"), what="the start", report=worker.log)
    trainers = worker.trainers()
    worker.signal(signal.SIGTERM)
    time.sleep(1)
    assert all(map(is_alive, trainers))
    worker.signal(signal.SIGTERM)
    assert worker.wait(60) == 1
    assert not any(map(is_alive, trainers))
    assert len(worker.spools()) == 1, "the next start tells what became of it"
