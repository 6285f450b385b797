from __future__ import annotations

import math
from pathlib import Path

import pytest
from scipy import stats

from tests.engine.parts import tiny
from worker.contract.names import Metric
from worker.engine.compare.arms import arms_of
from worker.engine.compare.outcome import RunResult, mean_over_steps, results_of, verdict_of
from worker.engine.compare.statistics import paired, t_quantile
from worker.engine.compare.words import NOT_PAIRED, headline, sentences
from worker.engine.sinks.history import COLUMNS


def result(seed: int, arm: str, top1: float, *, seconds: float = 10.0, status: str = "completed") -> RunResult:
    compute = 0.75 if arm == "sd" else 1.0
    return RunResult(seed, arm, status, "", top1 + 1, top1, 1.0, seconds, compute, 9.0)


def pair(seed: int, baseline: float, sd: float) -> list[RunResult]:
    return [result(seed, "baseline", baseline), result(seed, "sd", sd, seconds=8.0)]


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 10, 29, 30, 100, 999])
def test_the_quantile_is_students(freedom: int) -> None:
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    differences = [0.4, -0.1, 0.9, 0.35]
    found = paired(differences)
    expected = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.mean == pytest.approx(sum(differences) / 4)
    assert found.contains_zero


def test_one_seed_has_a_difference_and_no_interval() -> None:
    verdict = verdict_of(pair(0, 90.0, 91.5))
    assert verdict.last_top1 is not None
    assert verdict.last_top1.mean == pytest.approx(1.5)
    assert (verdict.last_top1.low, verdict.last_top1.high) == (None, None)
    assert "+1.50 points (one seed: no interval is available)" in sentences(verdict)[0]
    assert "cannot tell" in headline(verdict)


def test_only_seeds_with_both_runs_completed_are_paired() -> None:
    half = [result(1, "baseline", 90.0), result(1, "sd", 20.0, status="failed")]
    verdict = verdict_of([*pair(0, 90.0, 91.0), *half, *pair(2, 90.0, 92.0)])
    assert verdict.seeds == (0, 2)
    assert verdict.last_top1 is not None
    assert verdict.last_top1.mean == pytest.approx(1.5)
    assert sentences(verdict_of(half)) == [NOT_PAIRED]


def test_savings_are_shares_of_the_baseline() -> None:
    verdict = verdict_of([*pair(0, 90.0, 91.0), *pair(1, 90.0, 91.0)])
    assert verdict.time_saved is not None
    assert verdict.compute_saved is not None
    assert verdict.time_saved.mean == pytest.approx(20.0)
    assert verdict.compute_saved.mean == pytest.approx(25.0)


def test_an_interval_that_leaves_out_zero_says_on_which_side() -> None:
    above = [run for seed in range(3) for run in pair(seed, 90.0, 91.0 + seed / 100)]
    below = [run for seed in range(3) for run in pair(seed, 90.0, 89.0 + seed / 100)]
    assert "ends above" in headline(verdict_of(above))
    assert "ends below" in headline(verdict_of(below))


def test_a_point_stands_for_the_steps_since_the_one_before() -> None:
    empty = dict.fromkeys(COLUMNS, "")
    points = [(10, "0.5"), (10, ""), (12, "1.0")]
    rows = [empty | {"step": str(step), Metric.SD_COMPUTE.value: share} for step, share in points]
    mean = mean_over_steps(rows, Metric.SD_COMPUTE)
    assert mean is not None
    assert math.isclose(mean, (10 * 0.5 + 2 * 1.0) / 12)
    assert mean_over_steps([], Metric.SD_COMPUTE) is None


def test_a_run_that_has_not_begun_has_no_numbers(tmp_path: Path) -> None:
    results = results_of(arms_of(tiny(), seeds=(0,), root=tmp_path), {})
    assert [(run.status, run.best_top1, run.seconds) for run in results] == [("not begun", None, None)] * 2
