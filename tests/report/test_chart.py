from __future__ import annotations

import pytest

from worker.report.chart import Curve, Scale, chart, line, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 90, [0, 20, 40, 60, 80]),
        (97.31, 97.44, [97.32, 97.34, 97.36, 97.38, 97.4, 97.42, 97.44]),
        (-1e-9, 1e-9, [-1e-9, -5e-10, 0, 5e-10, 1e-9]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_what_was_not_finite_is_a_gap_and_a_point_alone_is_a_dot() -> None:
    curve = Curve("run", 1, xs=[0, 1, 2, 3], values=[0.0, None, 2.0, 3.0])
    same = Scale(0, 10, 0, 10)
    assert line(curve, same, same) == "M0.0 0.0 h0 M2.0 2.0 L3.0 3.0 h0"


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0], [0.0, 0.0], [1e30, 1e30], [1e-30]])
def test_a_curve_without_height_is_drawn(values: list[float]) -> None:
    drawn = chart("flat", [Curve("run", 1, xs=range(len(values)), values=values)], x_title="epoch")
    assert "nan" not in drawn
    assert "<path" in drawn


def test_without_a_value_it_says_so() -> None:
    drawn = chart("nothing", [Curve("run", 1, xs=[0.0], values=[None])], x_title="epoch")
    assert "Nothing was measured." in drawn
    assert "<svg" not in drawn


def test_a_minus_is_that_of_print() -> None:
    drawn = chart("t", [Curve("run", 1, [0.0, 1.0], [-2.0, -1.0])], x_title="epoch")
    assert ">−1.4<" in drawn
    assert "run −1" in drawn
    assert ">-" not in drawn
