"""The mean of a few values and Student's interval around it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from worker.evidence.estimates import estimate_mean, estimate_ratio, t_quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 10, 29, 30, 100, 999])
def test_the_quantile_is_students(freedom: int) -> None:
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    baseline, sd = np.array([90.1, 91.0, 90.4, 92.2]), np.array([90.5, 90.9, 91.3, 92.55])
    found = estimate_mean(list(sd - baseline))
    expected = stats.ttest_rel(sd, baseline).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.n, found.mean) == (4, pytest.approx(float(np.mean(sd - baseline))))
    assert not found.excludes_zero


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    found = estimate_mean([1.5])
    assert found is not None
    assert (found.n, found.mean, found.low, found.high) == (1, 1.5, None, None)
    assert not found.excludes_zero
    assert estimate_mean([]) is None


def test_values_that_are_all_alike_claim_no_certainty() -> None:
    """Accuracies of 360 images come in steps of 0.28 points: two equal differences are no proof of anything."""
    found = estimate_mean([98.61 - 98.33, 97.5 - 97.22, 0.28])
    assert found is not None
    assert (found.low, found.high) == (None, None)
    assert not found.excludes_zero


@pytest.mark.parametrize(("values", "excluded"), [([1.0, 1.01, 1.02], True), ([-1.0, -1.01], True), ([1, -1], False)])
def test_an_interval_says_whether_zero_is_in_it(values: list[float], excluded: bool) -> None:
    found = estimate_mean(values)
    assert found is not None
    assert found.excludes_zero is excluded


def test_a_ratio_and_its_inverse_say_the_same() -> None:
    ratios = [0.7, 0.8, 1.3]
    found, inverse = estimate_ratio(ratios), estimate_ratio([1 / ratio for ratio in ratios])
    assert found is not None
    assert inverse is not None
    assert found.mean == pytest.approx(stats.gmean(ratios))
    assert (found.low, found.high) == pytest.approx((1 / (inverse.high or 0), 1 / (inverse.low or 0)))
    assert 0 < (found.low or 0) < 0.7
