"""A run's results are of the whole run: weighted by steps, medians, and right after a rewind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete

from backend.cli.run_text import say_run
from backend.db.tables import Run, RunResults
from backend.metrics.ingest import store_points
from backend.runs import results
from backend.runs.results import catch_up, forget, refresh
from tests.api.house import House, on_both
from tests.api.test_report import report
from worker.contract.messages import Point

pytestmark = on_both

ISSUED = [(10, 0.80), (20, 0.70), (30, 0.75), (33, 0.40)]
WEIGHTED = 23.7 / 33


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def reports(
    house: House, run_id: str, told: Sequence[tuple[int, float | None]], *, metric: str = "sd/compute", attempt: int = 1
) -> None:
    """Each in a transaction of its own, as they come while a run trains."""
    for step, value in told:
        moment = datetime.now(UTC)
        values = {metric: value, "images_per_second": 128.0}
        point = Point(step=step, epoch=step / 11, elapsed_seconds=step, at=moment, values=values)
        with house.database.write() as session:
            run = session.get_one(Run, run_id)
            store_points(session, run, attempt=attempt, points=[point])
            refresh(session, run)


def found(house: House, run_id: str) -> Any:
    return house.api.run(run_id)["results"]


def test_each_report_counts_for_the_steps_since_the_one_before(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    made = house.api.post("/comparisons", {"config": {"dataset": "digits", "sd": True}}, status=201)
    run_id = next(run["id"] for run in made["runs"] if run["arm"] == "sd")
    reports(house, run_id, ISSUED)
    assert found(house, run_id)["compute"] == pytest.approx(WEIGHTED)
    assert next(run for run in house.api.get("/runs")["items"] if run["id"] == run_id)["results"] == found(
        house, run_id
    )
    (row,) = [row for row in house.api.get("/compare", runs=run_id)["results"] if row["name"] == "sd/compute"]
    assert row["values"][run_id] == pytest.approx(WEIGHTED)
    assert "71.8 %" in report(house, made).texts
    say_run(house.api.run(run_id))
    assert "71.8 % of the full compute" in capsys.readouterr().out


def test_depth_is_weighted_as_well(house: House) -> None:
    run_id = house.api.launch(sd=True)
    reports(house, run_id, [(step, 9 * share) for step, share in ISSUED], metric="sd/depth")
    assert found(house, run_id)["depth"] == pytest.approx(9 * WEIGHTED)


def test_a_run_without_stochastic_depth_computes_the_full_network(house: House) -> None:
    run_id = house.api.launch()
    assert found(house, run_id)["compute"] is None
    house.move(run_id, "queued", facts={"blocks": 9})
    reports(house, run_id, [(10, 2.0)], metric="train/loss")
    assert (found(house, run_id)["compute"], found(house, run_id)["depth"]) == (1.0, 9.0)


@pytest.mark.parametrize("order", [[0, 1, 3, 2], [3, 2, 1, 0], [0, 1, 2, 3, 1]])
def test_points_that_come_late_or_twice_change_nothing(house: House, order: list[int]) -> None:
    run_id = house.api.launch(sd=True)
    reports(house, run_id, [ISSUED[index] for index in order])
    assert found(house, run_id)["compute"] == pytest.approx(WEIGHTED)


def test_a_point_that_replaces_another_counts_in_its_place(house: House) -> None:
    run_id = house.api.launch(sd=True)
    reports(house, run_id, [(10, 0.80), (20, 0.10), (30, 0.75), (33, 0.40), (20, 0.70)])
    assert found(house, run_id)["compute"] == pytest.approx(WEIGHTED)


def test_what_a_rewind_took_back_does_not_count(house: House) -> None:
    run_id = house.api.launch(sd=True)
    reports(house, run_id, [(10, 0.80), (20, 0.70), (30, 0.01), (40, 0.02)])
    house.move(run_id, "queued", attempt=2)
    house.rewind(run_id, attempt=2, step=25)
    assert found(house, run_id)["compute"] == pytest.approx(0.75)
    reports(house, run_id, ISSUED[2:], attempt=2)
    assert found(house, run_id)["compute"] == pytest.approx(WEIGHTED)


def test_a_rewind_to_the_beginning_leaves_nothing(house: House) -> None:
    run_id = house.api.launch(sd=True)
    reports(house, run_id, ISSUED)
    house.move(run_id, "queued", attempt=2)
    house.rewind(run_id, attempt=2, step=0)
    assert found(house, run_id) == {
        "compute": None, "depth": None, "images_per_second": None, "step_seconds": None, "train_loss": None,
        "machines": [],
    }  # fmt: skip


def test_speed_and_time_of_a_step_are_medians(house: House) -> None:
    """The last report, of 370 images/s, is of a moment in which the machine did nothing else."""
    run_id = house.api.launch(batch=128)
    for step, speed in ((10, 20.0), (20, 150.0), (30, 154.0), (40, 160.0), (50, 370.0)):
        house.points(run_id, range(step, step + 1), images_per_second=lambda _, speed=speed: speed)
    assert found(house, run_id)["images_per_second"] == 154.0
    assert found(house, run_id)["step_seconds"]["median"] == pytest.approx((128 / 154 + 128 / 160) / 2)
    rows = {row["name"]: row["values"][run_id] for row in house.api.get("/compare", runs=run_id)["results"]}
    assert rows["images_per_second"] == 154.0
    assert rows["step_milliseconds"] == pytest.approx(1000 * (128 / 154 + 128 / 160) / 2)


def test_the_training_loss_is_that_of_the_last_epoch(house: House) -> None:
    run_id = house.api.launch()
    house.move(run_id, "queued", steps_per_epoch=10)
    house.points(run_id, range(5, 31, 5), train_loss=float, images_per_second=lambda _: 1.0)
    assert found(house, run_id)["train_loss"] == 27.5


def test_a_long_run_is_read_again_piece_by_piece(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a rewind no transaction holds the database for long, and in the end nothing is missing."""
    run_id = house.api.launch(sd=True, log_every=1)
    house.points(run_id, range(1, 101), images_per_second=float, sd_compute=lambda step: step / 100)
    house.points(run_id, range(500, 601), images_per_second=float, sd_compute=lambda _: 1.0)
    told = found(house, run_id)
    monkeypatch.setattr(results, "_REPORTS_AT_ONCE", 30)
    monkeypatch.setattr(results, "_CATCH_UP_SECONDS", 0.0)
    with house.database.write() as session:
        forget(session, session.get_one(Run, run_id))
    seen = []
    for _ in range(20):
        with house.database.write() as session:
            catch_up(session)
        seen.append(found(house, run_id)["images_per_second"])
    assert seen[:4] == [15.5, 30.5, 45.5, 50.5]
    assert found(house, run_id) == told


def test_runs_of_an_earlier_version_have_their_results_too(house: House) -> None:
    run_id = house.api.launch(sd=True)
    reports(house, run_id, ISSUED)
    told = found(house, run_id)
    with house.database.write() as session:
        session.execute(delete(RunResults))
    assert found(house, run_id) == told
    with house.database.write() as session:
        catch_up(session)
    with house.database.read() as session:
        assert not session.get_one(RunResults, run_id).is_behind
    assert found(house, run_id) == told


@pytest.mark.parametrize("value", [1e308, -1e308, 1e-320, None, float("nan")])
def test_what_nobody_can_have_measured_hides_nothing_else(house: House, value: float | None) -> None:
    run_id = house.api.launch(sd=True)
    for step in range(10, 60, 10):
        point = Point(
            step=step,
            epoch=1,
            elapsed_seconds=1,
            at=datetime.now(UTC),
            values=dict.fromkeys(("sd/compute", "train/loss", "images_per_second"), value if step == 30 else 0.5),
        )
        with house.database.write() as session:
            run = session.get_one(Run, run_id)
            store_points(session, run, attempt=1, points=[point])
            refresh(session, run)
    assert found(house, run_id)["images_per_second"] == 0.5
    assert found(house, run_id)["step_seconds"]["median"] == house.api.run(run_id)["config"]["batch"] / 0.5
