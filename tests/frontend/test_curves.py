"""A curve is the snapshot and every live point after it, each once and in order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frontend.conftest import Run

pytestmark = pytest.mark.browser

#: Plays {snapshot, before, after} to a CurveStore: events that come while the snapshot is on its way, and later ones.
PLAY = """
async ({ CurveStore }, { snapshot, before = [], after = [], axis = "step" }) => {
  let answer;
  const store = new CurveStore({ runId: "r_1", fetch: () => new Promise((resolve) => { answer = resolve; }) });
  const loading = store.load(axis);
  before.forEach((event) => store.accept(event));
  answer(snapshot);
  await loading;
  after.forEach((event) => store.accept(event));
  const { steps, x, values } = store.series.get("train/loss");
  return { steps, x, values, newest: store.newest, rewoundTo: store.rewoundTo };
}
"""


def snapshot(steps: list[int], *, cursor: int) -> dict[str, Any]:
    series = {"name": "train/loss", "x": list(steps), "values": [0.5] * len(steps), "steps": list(steps), "exact": True}
    return {"series": [series], "cursor": cursor}


def points(number: int, *steps: int, run_id: str = "r_1") -> dict[str, Any]:
    at = "2026-01-01T00:00:00Z"
    made = [
        {
            "step": step,
            "epoch": step / 10,
            "elapsed_seconds": step * 2.0,
            "at": at,
            "values": {"train/loss": float(step)},
        }
        for step in steps
    ]
    return {"id": number, "data": {"run_id": run_id, "points": made}}


def rewound(number: int, step: int) -> dict[str, Any]:
    return {"id": number, "data": {"run_id": "r_1", "step": step}}


def test_live_points_follow_the_snapshot(run: Run) -> None:
    curve = run("curves", PLAY, {"snapshot": snapshot([1, 2], cursor=5), "after": [points(6, 3, 4), points(7, 5)]})
    assert curve["steps"] == [1, 2, 3, 4, 5]
    assert curve["values"] == [0.5, 0.5, 3.0, 4.0, 5.0]
    assert curve["newest"]["step"] == 5


def test_points_that_come_while_the_snapshot_is_fetched_are_neither_lost_nor_repeated(run: Run) -> None:
    told = {"snapshot": snapshot([1, 2], cursor=5), "before": [points(4, 1), points(5, 2), points(6, 3)]}
    curve = run("curves", PLAY, told)
    assert curve["steps"] == [1, 2, 3]
    assert curve["values"] == [0.5, 0.5, 3.0]


def test_a_point_told_twice_is_drawn_once(run: Run) -> None:
    curve = run("curves", PLAY, {"snapshot": snapshot([1], cursor=5), "after": [points(6, 2), points(7, 2, 3)]})
    assert curve["steps"] == [1, 2, 3]


def test_a_point_that_comes_late_takes_its_place(run: Run) -> None:
    curve = run("curves", PLAY, {"snapshot": snapshot([1, 4], cursor=5), "after": [points(6, 2)]})
    assert curve["steps"] == [1, 2, 4]


def test_a_rewound_curve_ends_at_that_step_and_goes_on_from_there(run: Run) -> None:
    told = {"snapshot": snapshot([1, 2, 3, 4], cursor=5), "after": [rewound(6, 2), points(7, 3)]}
    curve = run("curves", PLAY, told)
    assert curve["steps"] == [1, 2, 3]
    assert curve["values"] == [0.5, 0.5, 3.0]
    assert curve["rewoundTo"] == 2


def test_a_rewind_that_the_snapshot_contains_is_not_done_again(run: Run) -> None:
    curve = run("curves", PLAY, {"snapshot": snapshot([1, 2, 3], cursor=7), "before": [rewound(6, 1)]})
    assert curve["steps"] == [1, 2, 3]


def test_points_of_other_runs_are_passed_over(run: Run) -> None:
    curve = run("curves", PLAY, {"snapshot": snapshot([1], cursor=5), "after": [points(6, 2, run_id="r_2")]})
    assert curve["steps"] == [1]


@pytest.mark.parametrize(("axis", "expected"), [("step", 3), ("epoch", 0.3), ("time", 6.0)])
def test_live_points_lie_on_the_chosen_axis(run: Run, axis: str, expected: float) -> None:
    told = {"snapshot": {"series": [], "cursor": 5}, "after": [points(6, 3)], "axis": axis}
    assert run("curves", PLAY, told)["x"] == [pytest.approx(expected)]


def test_smoothing_starts_at_the_first_value_and_leaves_gaps(run: Run) -> None:
    smoothed = run("smoothing", "m => m.smooth([4, null, 4, 0], 0.5)")
    assert smoothed[:3] == [4, None, 4]
    assert 0 < smoothed[3] < 4


def test_no_smoothing_is_the_curve_itself(run: Run) -> None:
    assert run("smoothing", "m => m.smooth([1, 5, 2], 0)") == [1, 5, 2]


def test_device_time_and_compute_are_what_a_run_has_spent(run: Run) -> None:
    series, spent = {"x": [1.0, 2.0], "values": [5.0, 6.0]}, {"config": {"devices": 4}, "results": {"compute": 0.75}}
    for axis, places in (("step", [1.0, 2.0]), ("device", [4.0, 8.0]), ("compute", [0.75, 1.5])):
        found = run("curves", "(m, [series, axis, run]) => m.onAxis(series, axis, run)", [series, axis, spent])
        assert found == {"x": places, "values": [5.0, 6.0]}
    unknown = run("curves", "(m, [series, run]) => m.onAxis(series, 'compute', run).x", [series, {"config": {}}])
    assert unknown == [1.0, 2.0]
