"""From the ring to the end of an attempt, message by message."""

from __future__ import annotations

from tests.controller.world import ScriptedWorker, World, point
from worker.contract.status import Desired


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

    training.say("started", step=0, epochs=1, steps_per_epoch=10, device="cpu", threads=2, parameters=7, blocks=9)
    training.say("metrics", points=[point(10, **{"train/loss": 0.5, "val/top1": 99.0})])
    world.step()
    run = world.run(run_id)
    assert (run.status, run.step, run.epoch, run.steps_per_epoch) == ("running", 10, 1.0, 10)
    assert run.latest == {"train/loss": 0.5, "val/top1": 99.0}
    assert (run.best_top1, run.best_epoch) == (99.0, 1.0)
    assert run.facts["device"] == "cpu"
    assert run.worker_id == worker.name

    training.say("completed", step=10, elapsed_seconds=12.5)
    world.step()
    run = world.run(run_id)
    assert (run.status, run.reason, run.claim_id, run.elapsed_seconds) == ("completed", None, None, 12.5)
    assert run.finished_at is not None
    assert world.waiting_messages() == 0
    key = world.key(run_id)
    assert key is not None
    assert (key.ingested_through, key.claim_id) == (3, None)


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
