"""Curves: whole, thinned, only what is new, and as CSV."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from backend.controller.curve_buckets import CurveBuckets
from backend.db.tables import MetricBucket
from backend.live.events import read_changes
from backend.metrics.thinning import CurvePoint, thin
from tests.api.house import House, on_both


def points_of(values: list[float | None]) -> list[CurvePoint]:
    return [CurvePoint(step, step / 10, value) for step, value in enumerate(values)]


def thinned(points: list[CurvePoint], *, max_points: int) -> list[CurvePoint]:
    has_gaps = any(point.value is None for point in points)
    return thin(iter(points), count=len(points), has_gaps=has_gaps, max_points=max_points)


class TestThinning:
    @given(values=st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=300), max_points=st.integers(10, 120))
    def test_keeps_ends_and_extremes_within_the_limit(self, values: list[float | None], max_points: int) -> None:
        points = points_of(values)
        shown = thinned(points, max_points=max_points)
        assert len(shown) <= max_points
        assert (shown[0], shown[-1]) == (points[0], points[-1])
        assert [point.step for point in shown] == sorted({point.step for point in shown})
        finite = [value for value in values if value is not None]
        if finite:
            kept = [point.value for point in shown if point.value is not None]
            assert (min(kept), max(kept)) == (min(finite), max(finite))

    def test_few_points_are_left_as_they_are(self) -> None:
        points = points_of([1.0, None, 3.0])
        assert thinned(points, max_points=10) == points

    def test_a_single_spike_and_a_single_gap_survive(self) -> None:
        values: list[float | None] = [0.0] * 10_000
        values[1234], values[5678] = 9.0, None
        shown = {point.step: point.value for point in thinned(points_of(values), max_points=50)}
        assert shown[1234] == 9.0
        assert shown[5678] is None


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


@on_both
class TestCurves:
    @pytest.fixture
    def run_id(self, house: House) -> str:
        run_id = house.api.launch()
        house.points(run_id, range(1, 101), train_loss=lambda step: 10 / step)
        house.points(run_id, range(50, 101, 50), val_top1=float)
        return run_id

    def test_all_of_them_exactly(self, house: House, run_id: str) -> None:
        curves = house.api.get(f"/runs/{run_id}/metrics")
        loss, top1 = curves["series"]
        assert loss == {
            "name": "train/loss",
            "x": list(range(1, 101)),
            "steps": list(range(1, 101)),
            "values": [10 / step for step in range(1, 101)],
            "exact": True,
        }
        assert (top1["name"], top1["x"], top1["values"]) == ("val/top1", [50, 100], [50, 100])
        assert curves["cursor"] == house.api.get("/runs")["change"]
        assert curves["rewound_to"] is None

    def test_over_epochs_and_training_time(self, house: House, run_id: str) -> None:
        for axis, expected in (("epoch", [5, 10]), ("time", [25, 50])):
            (series,) = house.api.get(f"/runs/{run_id}/metrics", names="val/top1", x=axis)["series"]
            assert series["x"] == expected
            assert series["steps"] == [50, 100]

    def test_thinned(self, house: House, run_id: str) -> None:
        loss, top1 = house.api.get(f"/runs/{run_id}/metrics", max_points=20)["series"]
        assert not loss["exact"]
        assert len(loss["x"]) <= 20
        assert (loss["values"][0], loss["values"][-1]) == (10, 0.1)
        assert top1["exact"]

    def test_a_metric_without_points_is_empty(self, house: House, run_id: str) -> None:
        (series,) = house.api.get(f"/runs/{run_id}/metrics", names="sd/depth")["series"]
        assert series == {"name": "sd/depth", "x": [], "values": [], "steps": [], "exact": True}

    def test_only_what_is_new(self, house: House, run_id: str) -> None:
        cursor = house.api.get(f"/runs/{run_id}/metrics")["cursor"]
        house.points(run_id, range(101, 104), train_loss=float)
        news = house.api.get(f"/runs/{run_id}/metrics", since=cursor, names="train/loss")
        assert news["series"][0]["x"] == [101, 102, 103]
        assert house.api.get(f"/runs/{run_id}/metrics", since=news["cursor"])["series"][0]["x"] == []

    def test_a_rewound_curve_says_to_where(self, house: House, run_id: str) -> None:
        cursor = house.api.get(f"/runs/{run_id}/metrics")["cursor"]
        house.move(run_id, "queued", attempt=2)
        house.rewind(run_id, attempt=2, step=60)
        house.points(run_id, range(61, 63), attempt=2, train_loss=float)
        news = house.api.get(f"/runs/{run_id}/metrics", since=cursor, names="train/loss")
        assert (news["rewound_to"], news["series"][0]["x"]) == (60, [61, 62])
        assert house.api.get(f"/runs/{run_id}/metrics", names="train/loss")["series"][0]["x"][-1] == 62

    def test_a_cursor_that_is_not_known_any_more_gets_everything_anew(self, house: House, run_id: str) -> None:
        news = house.api.get(f"/runs/{run_id}/metrics", since=10_000, names="val/top1")
        assert (news["rewound_to"], news["series"][0]["x"]) == (0, [50, 100])

    def test_what_is_not_finite_is_null(self, house: House, run_id: str) -> None:
        house.points(run_id, range(101, 102), train_loss=lambda _: math.nan)
        series = house.api.get(f"/runs/{run_id}/metrics", names="train/loss")["series"][0]
        assert series["values"][-1] is None

    def test_as_csv(self, house: House, run_id: str) -> None:
        house.points(run_id, range(20_000, 20_001), train_loss=lambda _: math.inf, lr=lambda _: 0.1)
        answer = house.client.get(f"/api/v1/runs/{run_id}/metrics.csv")
        assert answer.headers["Content-Type"].startswith("text/csv")
        assert f'filename="{run_id}-metrics.csv"' in answer.headers["Content-Disposition"]
        header, *rows = csv.reader(io.StringIO(answer.text))
        assert header == ["step", "epoch", "elapsed_seconds", "at", "lr", "train/loss", "val/top1"]
        assert len(rows) == 101
        assert (rows[49][0], rows[49][4:]) == ("50", ["", "0.2", "50.0"])
        assert (rows[100][0], rows[100][4:]) == ("20000", ["0.1", "", ""])

    def test_a_run_without_points(self, house: House) -> None:
        run_id = house.api.launch()
        assert house.api.get(f"/runs/{run_id}/metrics")["series"] == []
        assert house.client.get(f"/api/v1/runs/{run_id}/metrics.csv").text == "step,epoch,elapsed_seconds,at\n"


def built(house: House, run_id: str) -> int:
    """Makes all buckets, and counts them."""
    worker = CurveBuckets(house.database)
    while worker.work(seconds=10):
        pass
    with house.database.read() as session:
        of_run = select(func.count()).select_from(MetricBucket).where(MetricBucket.run_id == run_id)
        return session.execute(of_run).scalar_one()


def shown(house: House, run_id: str, **query: Any) -> dict[int, float | None]:
    (series,) = house.api.get(f"/runs/{run_id}/metrics", names="train/loss", **query)["series"]
    assert series["steps"] == sorted(set(series["steps"]))
    return dict(zip(series["steps"], series["values"], strict=True))


def zigzag(step: int) -> float:
    """With a spike, a dip and a gap."""
    return {1_234: 9.0, 5_678: -9.0, 7_777: math.nan}.get(step, step % 7 / 7)


@on_both
class TestLongCurves:
    @pytest.fixture
    def run_id(self, house: House) -> str:
        run_id = house.api.launch()
        house.points(run_id, range(1, 10_001), train_loss=zigzag)
        return run_id

    def test_ends_extremes_and_gaps_are_kept_within_the_limit(self, house: House, run_id: str) -> None:
        assert built(house, run_id) > 1_000
        for max_points in (10, 50, 100, 1_000, 3_000):
            found = shown(house, run_id, max_points=max_points)
            assert max_points / 4 <= len(found) <= max_points
            assert (found[1], found[10_000]) == (zigzag(1), zigzag(10_000))
            if max_points > 10:
                assert (found[1_234], found[5_678], found[7_777]) == (9.0, -9.0, None)
            assert all(value == zigzag(step) or value is None for step, value in found.items())

    def test_every_axis_shows_the_same_points(self, house: House, run_id: str) -> None:
        built(house, run_id)
        for axis, factor in (("epoch", 0.1), ("time", 0.5)):
            query = {"names": "train/loss", "max_points": 50, "x": axis}
            (series,) = house.api.get(f"/runs/{run_id}/metrics", **query)["series"]
            assert series["x"] == pytest.approx([step * factor for step in series["steps"]])

    def test_what_was_not_gathered_yet_is_shown_too(self, house: House, run_id: str) -> None:
        built(house, run_id)
        house.points(run_id, range(10_001, 10_401), train_loss=lambda step: 50.0 if step == 10_300 else 0.5)
        found = shown(house, run_id, max_points=60)
        assert (found[10_300], max(found)) == (50.0, 10_400)
        assert len(found) <= 60

    def test_a_rewound_curve_forgets_what_was_taken_back(self, house: House, run_id: str) -> None:
        house.points(run_id, range(10_001, 10_002), train_loss=lambda _: 99.0)
        house.points(run_id, range(10_002, 10_102), train_loss=lambda _: 0.5)
        before = built(house, run_id)
        assert 99.0 in shown(house, run_id, max_points=50).values()
        house.move(run_id, "queued", attempt=2)
        house.rewind(run_id, attempt=2, step=1_233)
        house.points(run_id, range(1_234, 20_001), attempt=2, train_loss=lambda _: 0.25)
        assert built(house, run_id) > before
        found = shown(house, run_id, max_points=50)
        assert max(value for value in found.values() if value is not None) < 1.0
        assert max(found) == 20_000

    def test_points_that_come_late_are_among_the_extremes(self, house: House, run_id: str) -> None:
        """As an older attempt's that a worker sends after its next start."""
        built(house, run_id)
        house.points(run_id, range(4_000, 4_001), train_loss=lambda _: 77.0)
        assert shown(house, run_id, max_points=50)[4_000] == 77.0
        built(house, run_id)
        assert shown(house, run_id, max_points=50)[4_000] == 77.0

    def test_a_value_that_is_told_again_replaces_the_first(self, house: House, run_id: str) -> None:
        built(house, run_id)
        house.points(run_id, range(10_000, 10_001), train_loss=lambda _: 88.0)
        built(house, run_id)
        assert shown(house, run_id, max_points=50)[10_000] == 88.0

    def test_a_deleted_run_takes_its_buckets_along(self, house: House, run_id: str) -> None:
        assert built(house, run_id)
        house.move(run_id, "stopped")
        assert house.client.delete(f"/api/v1/runs/{run_id}").status_code == 204
        assert built(house, run_id) == 0


def test_what_is_new_of_a_long_run_is_found_by_its_change(house: House) -> None:
    """SQLite would look through the whole run for it, at each event of a page that watches."""
    run_id = house.api.launch()
    house.points(run_id, range(1, 3), train_loss=float)
    read: list[str] = []
    event.listen(house.database.engine, "before_cursor_execute", lambda *said: read.append(said[2]))
    house.api.get(f"/runs/{run_id}/metrics", since=1, names="train/loss")
    with house.database.read() as session:
        read_changes(session, after=0)
        asked = [statement for statement in read if "FROM metrics" in statement and "metrics.change >" in statement]
        assert len(asked) == 2
        for statement in asked:
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (1,) * statement.count("?"))
            assert "ix_metrics_change" in " ".join(str(row[3]) for row in plan)
