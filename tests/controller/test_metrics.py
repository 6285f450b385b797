"""What a run shows of its points."""

from __future__ import annotations

from typing import Any

import pytest

from backend.db.tables import Change, Metric, RunResults
from tests.controller.world import ScriptedWorker, World, point, started

pytestmark = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)


def test_latest_holds_the_last_value_of_every_metric(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    training.say("metrics", points=[point(1, **{"train/loss": 2.0, "val/top1": 50.0}), point(2, **{"train/loss": 1.0})])
    training.say("metrics", points=[point(3, **{"train/loss": 0.5})])
    world.step()
    assert world.run(run_id).latest == {"train/loss": 0.5, "val/top1": 50.0}
    assert (world.run(run_id).step, world.run(run_id).elapsed_seconds) == (3, 1.5)


def test_points_that_come_out_of_their_order_do_not_hide_later_ones(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    training.say("metrics", points=[point(9, **{"train/loss": 0.1}), point(4, **{"train/loss": 0.4, "val/top1": 7.0})])
    training.say("metrics", points=[point(5, **{"train/loss": 0.5})])
    world.step()
    run = world.run(run_id)
    assert (run.latest, run.step) == ({"train/loss": 0.1, "val/top1": 7.0}, 9)


def test_best_is_the_first_of_the_highest(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    for step, top1 in ((10, 40.0), (20, 90.0), (30, None), (40, 90.0), (50, 80.0)):
        training.say("metrics", points=[point(step, **{"val/top1": top1})])
    world.step()
    assert (world.run(run_id).best_top1, world.run(run_id).best_epoch) == (90.0, 2.0)


def test_what_is_not_finite_is_null(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    text = '{"train/loss": 1e999, "train/top1": null, "lr": NaN}'
    training.write("metrics", points=[point(1)])
    training.spool[-1] = training.spool[-1].replace('"values": {}', f'"values": {text}')
    training.send(2)
    world.step()
    assert {item.name: item.value for item in world.rows(Metric)} == {
        "train/loss": None,
        "train/top1": None,
        "lr": None,
    }
    assert world.run(run_id).latest == {"train/loss": None, "train/top1": None, "lr": None}


def test_points_carry_the_number_of_the_change_that_tells_of_them(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run()
    training = worker.train(run_id)
    for step in (1, 2):
        training.points(step)
        world.step()
    numbers = [item.change for item in world.rows(Metric)]
    assert numbers[0] < numbers[1]
    assert [change.number for change in world.changes("points")] == numbers
    told = [change.number for change in world.rows(Change, Change.kind == "run", Change.subject == run_id)]
    assert set(numbers) <= set(told)
    assert world.run(run_id).change == numbers[-1]


def test_results_are_of_the_whole_run_through_crashes_and_rewinds(world: World, worker: ScriptedWorker) -> None:
    """The second attempt goes on from step 25: what the first made after it is void, and its own warm-up not timed."""
    run_id = world.add_run(sd=True)
    first = worker.train(run_id)
    first.say("metrics", points=[report(step, share) for step, share in ((10, 0.80), (20, 0.70), (30, 0.1), (40, 0.1))])
    first.say("released", reason="gone", crashed=False)
    world.step()
    assert results(world, run_id)["compute"] == pytest.approx((10 * 0.8 + 10 * 0.7 + 20 * 0.1) / 40)
    second = worker.claim(run_id)
    second.say("started", **started(25) | {"threads": 1})
    second.say("metrics", points=[report(step, share) for step, share in ((30, 0.75), (33, 0.40))])
    world.step()
    told = results(world, run_id)
    assert told["compute"] == pytest.approx(23.7 / 33)
    # Timed is what the first reported at step 20 alone.
    assert (told["step_seconds"]["n"], told["machines"]) == (1, [machine(threads=2)])
    second.say("metrics", points=[report(step, 0.75) for step in (43, 53)])
    world.step()
    assert results(world, run_id)["machines"] == [machine(threads=2), machine(threads=1)]


def test_points_of_an_older_attempt_that_come_late_count_in_their_place(world: World, worker: ScriptedWorker) -> None:
    run_id = world.add_run(sd=True)
    first = worker.train(run_id)
    first.say("metrics", points=[report(10, 0.80)])
    first.write("metrics", points=[report(20, 0.70)])
    world.step()
    world.lose(run_id)
    second = worker.claim(run_id)
    second.say("started", **started(20))
    second.say("metrics", points=[report(30, 0.75), report(33, 0.40)])
    world.step()
    first.send(len(first.spool))
    world.step()
    assert results(world, run_id)["compute"] == pytest.approx(23.7 / 33)


def report(step: int, share: float) -> dict[str, Any]:
    return point(step, **{"sd/compute": share, "images_per_second": 64.0})


def machine(*, threads: int) -> dict[str, Any]:
    return {"device": "cpu", "threads": threads, "versions": {"torch": "2"}}


def results(world: World, run_id: str) -> dict[str, Any]:
    (row,) = world.rows(RunResults, RunResults.run_id == run_id)
    return dict(row.figures)


def test_a_rewind_is_told_before_the_points_that_follow_it(world: World, worker: ScriptedWorker) -> None:
    """A page drops everything after the step when it hears of the rewind; the new points must come after that."""
    run_id = world.add_run()
    first = worker.train(run_id)
    first.points(1, 2)
    first.say("released", reason="gone", crashed=False)
    world.step()
    first.points(3, 4)
    second = worker.claim(run_id)
    second.say("started", **started(1))
    second.points(2, 3)
    world.step()
    kinds = [change.kind for change in world.rows(Change) if change.kind in ("points", "rewound")]
    assert kinds == ["points", "points", "rewound", "points"]
    rewound = world.changes("rewound")[0]
    assert rewound.detail == {"step": 1}
    assert all(item.change >= rewound.number for item in world.rows(Metric, Metric.step > 1))
