"""Workers of another version: what they refuse is named on the run and on the worker, and others take it."""

from __future__ import annotations

from backend.db.tables import Run, SetAside
from backend.runs.views import view_of
from backend.workers.queries import list_workers
from tests.controller.world import ScriptedWorker, World
from worker.contract import CONTRACT


def waiting_for(world: World, run_id: str) -> str:
    with world.database.read() as session:
        return str(view_of(session, session.get_one(Run, run_id)).waiting_for)


def warnings(world: World, worker: ScriptedWorker) -> list[str]:
    with world.database.read() as session:
        (view,) = [view for view in list_workers(session) if view.id == worker.name]
    return view.warnings


def test_a_refusal_is_named_and_that_worker_is_not_chosen_for_the_run_again(
    world: World, worker: ScriptedWorker
) -> None:
    run_id = world.add_run()
    worker.seen(contract=CONTRACT)
    world.step()
    assert world.rung() == [run_id]
    worker.refuse("there is no setting 'config.riddle' (ResDrop 0.0.9)", run_id=run_id, attempt=1, ring="{}")
    world.step()
    assert waiting_for(world, run_id) == (
        "a worker of a fitting version: w1 on host-1 refused it: there is no setting 'config.riddle' (ResDrop 0.0.9)"
    )
    (warning,) = warnings(world, worker)
    assert warning.startswith(f"it refused run a run ({run_id}): there is no setting")
    assert world.rows(SetAside) == []
    worker.seen(contract=CONTRACT)
    world.step(20, seconds=1)
    assert world.rung() == []


def test_another_worker_takes_what_one_refused(world: World, worker: ScriptedWorker) -> None:
    run_id, other = world.add_run(), world.add_run()
    worker.seen()
    world.step()
    worker.refuse("unknown", run_id=run_id, attempt=1)
    world.step(2, seconds=6)
    assert set(world.rung()) == {run_id, other}, "the next is offered to it instead"
    ScriptedWorker(world, "w2").seen()
    worker.seen()
    world.step(2, seconds=6)
    assert set(world.rung()) == {run_id, other}


def test_a_start_of_a_newer_version_is_asked_again(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    worker.seen()
    world.step()
    worker.refuse("unknown", run_id=run_id, attempt=1)
    world.step()
    world.rings()
    worker.gone()
    worker.reboot()
    worker.seen(contract=CONTRACT)
    world.step(2, seconds=6)
    assert run_id in world.rung()
    assert warnings(world, worker) == []


def test_a_worker_that_speaks_another_contract_is_warned_of(world: World, worker: ScriptedWorker) -> None:
    worker.seen()
    world.step()
    (warning,) = warnings(world, worker)
    assert f"an earlier ResDrop, which speaks contract 1; the service speaks {CONTRACT}" in warning


def test_a_refusal_of_an_unknown_run_is_set_aside(world: World, worker: ScriptedWorker) -> None:
    worker.seen()
    worker.refuse("unknown", run_id="r_nobody", attempt=1, ring="{}")
    world.step()
    (kept,) = world.rows(SetAside)
    assert kept.why == "in the queue of rings: unknown"
