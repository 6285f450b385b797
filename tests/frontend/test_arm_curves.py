"""The mean over the seeds of an arm, with the lowest and highest of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frontend.conftest import Run

pytestmark = pytest.mark.browser


def mean_of(run: Run, *seeds: Any) -> Any:
    series = [{"x": x, "values": values} for x, values in seeds]
    return run("arm-curves", "(m, all) => m.meanOf(all)", series)


def test_seeds_that_reported_at_the_same_places(run: Run) -> None:
    assert mean_of(run, ([1, 2], [1.0, 3.0]), ([1, 2], [2.0, 7.0])) == {
        "x": [1, 2],
        "values": [1.5, 5.0],
        "low": [1.0, 3.0],
        "high": [2.0, 7.0],
        "counts": [2, 2],
    }


def test_between_two_reports_a_seed_lies_on_the_line(run: Run) -> None:
    found = mean_of(run, ([0, 10], [0.0, 10.0]), ([0, 4, 10], [0.0, 0.0, 0.0]))
    assert (found["x"], found["values"], found["high"]) == ([0, 4, 10], [0, 2, 5], [0, 4, 10])


def test_a_seed_counts_as_far_as_it_has_come(run: Run) -> None:
    found = mean_of(run, ([1, 2, 3], [1.0, 1.0, 1.0]), ([2], [3.0]), ([], []))
    assert found["values"] == [1.0, 2.0, 1.0]
    assert found["counts"] == [1, 2, 1]


def test_values_that_are_alike_have_just_that_mean(run: Run) -> None:
    """A mean beyond them by a last digit would stretch the axis to fifteen decimals."""
    found = mean_of(run, *[([1], [99.9])] * 3)
    assert (found["values"], found["low"], found["high"]) == ([99.9], [99.9], [99.9])


def test_a_gap_is_none_of_its_seeds_values(run: Run) -> None:
    found = mean_of(run, ([1, 2, 3], [1.0, None, 1.0]), ([1, 1.5, 2, 2.5, 3], [3.0, 3.0, 3.0, 3.0, 3.0]))
    assert found["values"] == [2.0, 3.0, 3.0, 3.0, 2.0]
    alone = mean_of(run, ([1, 2, 3], [1.0, None, 1.0]))
    assert (alone["values"], alone["low"]) == ([1.0, None, 1.0], [1.0, None, 1.0])


def test_nothing_is_the_mean_of_nothing(run: Run) -> None:
    assert mean_of(run) is None
    assert mean_of(run, ([], [])) is None


def test_places_are_thinned_and_the_last_one_stays(run: Run) -> None:
    first, second = list(range(0, 5000, 2)), list(range(1, 5000, 2))
    found = mean_of(run, (first, [1.0] * len(first)), (second, [3.0] * len(second)))
    assert len(found["x"]) <= 2000
    assert found["x"][-1] == 4999
    assert found["values"][100] == 2.0
