"""Two starts of one worker: one that follows the other, or a cloned machine beside its origin."""

from __future__ import annotations

import pytest

from backend.workers.queries import list_workers
from tests.controller.world import ScriptedWorker, World
from worker.contract import CONTRACT, names
from worker.contract.messages import WorkerKey


@pytest.fixture
def clone(world: World, worker: ScriptedWorker) -> ScriptedWorker:
    """The same worker.json on another machine."""
    clone = ScriptedWorker(world, worker.name)
    clone.place = "elsewhere"
    return clone


def key(world: World) -> WorkerKey | None:
    found = world.redis.get(names.worker_key("w1"))
    return WorkerKey.model_validate_json(str(found)) if found is not None else None


def ask(world: World, worker: ScriptedWorker) -> bool:
    """A start that does not know yet whether the identity is its own is told."""
    worker.seen(is_admitted=False, contract=CONTRACT)
    world.step(seconds=0.5)
    found = key(world)
    assert found is not None
    return found.boot_id == worker.boot


def warnings(world: World) -> list[str]:
    with world.database.read() as session:
        return list_workers(session)[0].warnings


def test_the_first_start_is_admitted(world: World, worker: ScriptedWorker) -> None:
    assert ask(world, worker)


def test_a_start_in_the_place_of_one_that_died_is_admitted_at_once(world: World, worker: ScriptedWorker) -> None:
    assert ask(world, worker)
    worker.reboot()
    assert ask(world, worker)


def test_a_start_elsewhere_is_admitted_at_once_after_a_goodbye(
    world: World, worker: ScriptedWorker, clone: ScriptedWorker
) -> None:
    assert ask(world, worker)
    worker.gone()
    assert ask(world, clone)


def test_a_start_elsewhere_is_admitted_when_the_one_before_has_been_silent(
    world: World, worker: ScriptedWorker, clone: ScriptedWorker
) -> None:
    """The machine broke down, and its folder was mounted by another."""
    assert ask(world, worker)
    assert not ask(world, clone)
    world.step(10, seconds=1)
    assert ask(world, clone)
    assert world.worker("w1").rival is None


def test_a_clone_is_refused_by_name_as_long_as_its_origin_is_heard(
    world: World, worker: ScriptedWorker, clone: ScriptedWorker
) -> None:
    worker.seen(contract=CONTRACT)
    world.step()
    for _ in range(10):
        assert not ask(world, clone)
        worker.seen(contract=CONTRACT)
        world.step(seconds=3)
    (warning,) = warnings(world)
    assert "a second worker with this identity, on host-1, is refused" in warning
    assert "remove worker.json" in warning
    clone.gone()
    worker.seen(contract=CONTRACT)
    world.step(10, seconds=1)
    worker.seen(contract=CONTRACT)
    world.step()
    assert warnings(world) == []


def test_neither_ends_what_the_other_trains(world: World, worker: ScriptedWorker, clone: ScriptedWorker) -> None:
    run_id = world.add_run()
    worker.seen()
    training = worker.train(run_id)
    for _ in range(20):
        worker.seen()
        clone.seen(is_admitted=False)
        world.step(seconds=2)
    assert (world.run(run_id).status, world.run(run_id).attempt) == ("running", 1)
    assert world.run(run_id).claim_id == training.claim_id
    assert world.worker("w1").free_devices == []


def test_a_clone_is_granted_nothing(world: World, worker: ScriptedWorker, clone: ScriptedWorker) -> None:
    run_id = world.add_run()
    worker.seen()
    world.step()
    clone.claim(run_id)
    world.step()
    assert world.run(run_id).status == "queued"
    worker.claim(run_id)
    world.step()
    assert world.run(run_id).status == "starting"


def test_an_origin_that_was_away_for_a_while_is_the_second_then_and_keeps_what_it_trains(
    world: World, worker: ScriptedWorker, clone: ScriptedWorker
) -> None:
    run_id = world.add_run()
    worker.seen()
    worker.train(run_id)
    world.step(10, seconds=1)
    assert ask(world, clone)
    for _ in range(20):
        assert not ask(world, worker)
        clone.seen()
        world.step(seconds=2)
    assert (world.run(run_id).status, world.run(run_id).attempt) == ("running", 1)


def test_silence_counts_only_while_the_controller_listens(
    world: World, worker: ScriptedWorker, clone: ScriptedWorker
) -> None:
    assert ask(world, worker)
    world.clock.now += 100
    world.restart_controller()
    assert not ask(world, clone)
    assert ask(world, worker)
