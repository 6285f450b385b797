"""Figures of a whole run, weighted by steps, and the time of a step without what is no training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contract.names import Metric
from worker.evidence.distribution import EXACT, Distribution
from worker.evidence.figures import (
    WARMUP_STEPS,
    Machine,
    RunFigures,
    RunMeasurements,
    Start,
    StepWeightedMean,
)

HERE, THERE = Machine(device="cpu (A)", threads=2), Machine(device="cpu (B)", threads=2)
FIRST = Start(step=0, machine=HERE)


def measured(
    *reports: tuple[int, float | None],
    metric: Metric = Metric.IMAGES_PER_SECOND,
    starts: tuple[Start, ...] = (FIRST,),
    sd: bool = False,
) -> RunFigures:
    """Of a run with batches of 64 images and epochs of 10 steps; `reports` are (step, value of the metric)."""
    run = RunMeasurements(batch=64, steps_per_epoch=10)
    for step, value in reports:
        start = [start for start in starts if start.step < step][-1]
        run.add(step, {Metric.IMAGES_PER_SECOND: 64.0, metric: value}, start)
        # As the service stores it between two reports.
        run = RunMeasurements.model_validate_json(run.model_dump_json())
    return run.figures(blocks=9, sd=sd)


def test_a_point_stands_for_the_steps_since_the_one_before() -> None:
    told = ((10, 0.80), (20, 0.70), (30, 0.75), (33, 0.40))
    # The plain mean is 0.663, the last point 0.40.
    assert measured(*told, metric=Metric.SD_COMPUTE, sd=True).compute == pytest.approx(23.7 / 33)
    assert measured(*told, metric=Metric.SD_DEPTH, sd=True).depth == pytest.approx(23.7 / 33)


def test_nothing_is_known_before_the_first_report() -> None:
    assert measured() == measured(sd=True) == RunFigures()


@given(
    shares=st.lists(st.floats(0.3, 1.0), min_size=1, max_size=60),
    lengths=st.lists(st.integers(1, 9), min_size=60, max_size=60),
    begin=st.integers(0, 100),
)
def test_reports_of_any_length_give_the_mean_over_the_steps(
    shares: list[float], lengths: list[int], begin: int
) -> None:
    mean = StepWeightedMean(begin=begin, through=begin)
    for step, share in zip(begin + np.cumsum(lengths[: len(shares)]), shares, strict=True):
        mean.add(int(step), share)
    assert mean.mean == pytest.approx(float(np.average(shares, weights=lengths[: len(shares)])))


def test_the_loss_is_that_of_the_last_epoch_so_far() -> None:
    told = ((8, 9.0), (16, 3.0), (20, 1.0), (22, 0.5))
    # Steps 11 to 16 are of the second report, 17 to 20 of the third.
    assert measured(*told[:3], metric=Metric.TRAIN_LOSS).train_loss == pytest.approx((6 * 3.0 + 4 * 1.0) / 10)
    assert measured(*told[:1], metric=Metric.TRAIN_LOSS).train_loss == 9.0
    assert measured(*told, metric=Metric.TRAIN_LOSS).train_loss == 0.5


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=50))
def test_quartiles_are_numpys(values: list[float]) -> None:
    found = Distribution(values=values).quartiles()
    assert found is not None
    assert [found.q1, found.median, found.q3] == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]))
    assert found.n == len(values)


@pytest.mark.parametrize("count", [EXACT, EXACT + 1, 5000])
def test_quartiles_of_many_values_are_within_a_tenth_of_a_percent(count: int) -> None:
    values = np.random.default_rng(1).lognormal(mean=5, sigma=0.3, size=count)
    found = Distribution()
    for value in values:
        found.add(float(value))
    quartiles = found.quartiles()
    assert quartiles is not None
    expected = np.quantile(values, [0.25, 0.5, 0.75])
    assert [quartiles.q1, quartiles.median, quartiles.q3] == pytest.approx(expected, rel=1.001e-3)
    assert quartiles.n == found.n == count
    assert len(found.model_dump_json()) < 12_000


def test_the_speed_of_a_run_is_the_median_of_its_reports() -> None:
    assert measured((10, 154.0), (20, 150.0), (30, 370.0)).images_per_second == 154.0


def test_steps_of_a_warm_up_are_not_timed() -> None:
    found = measured((10, 1.0), (20, 64.0), (30, 32.0), (40, 64.0)).step_seconds
    assert found is not None
    assert (found.median, found.n) == (1.0, 3)
    every_step = measured(*((step, 1.0 if step <= WARMUP_STEPS else 64.0) for step in range(1, 15))).step_seconds
    assert every_step is not None
    assert (every_step.q3, every_step.n) == (1.0, 14 - WARMUP_STEPS)
    assert measured((10, 64.0)).step_seconds is None


def test_neither_are_those_after_a_resume() -> None:
    """It went on after step 25, in the middle of a report: that report and the next are of its warm-up."""
    reports = ((10, 1.0), (20, 64.0), (30, 1.0), (40, 1.0), (50, 64.0))
    found = measured(*reports, starts=(FIRST, Start(step=25, machine=HERE))).step_seconds
    assert found is not None
    assert (found.q1, found.q3, found.n) == (1.0, 1.0, 2)


def test_a_run_that_moved_tells_of_all_its_machines() -> None:
    starts = (FIRST, Start(step=20, machine=THERE))
    reports = ((10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0))
    assert measured(*reports[:3], starts=starts).machines == [HERE]
    assert measured(*reports, starts=starts).machines == [HERE, THERE]
    # Of one of them it is not known: then it is not known on what the run was trained.
    assert measured(*reports, starts=(FIRST, Start(step=20))).machines == []


def test_a_run_without_stochastic_depth_computes_the_full_network() -> None:
    assert (measured((10, 1.0)).compute, measured((10, 1.0)).depth) == (1.0, 9.0)
    assert (measured((10, 1.0), sd=True).compute, measured((10, 1.0), sd=True).depth) == (None, None)


@pytest.mark.parametrize("value", [None, 1e300, -1e300])
def test_what_is_not_finite_or_absurd_counts_as_not_reported(value: float | None) -> None:
    told = ((10, 0.8), (20, value), (30, 0.5))
    assert measured(*told, metric=Metric.SD_COMPUTE, sd=True).compute == pytest.approx((10 * 0.8 + 20 * 0.5) / 30)
    assert measured((10, 1.0), (20, value), (30, 2.0)).images_per_second == 1.5


@pytest.mark.parametrize("speed", [0.0, -1.0, 1e-300])
def test_a_speed_that_is_none_divides_nothing(speed: float) -> None:
    found = measured((10, 64.0), (20, speed), (30, 64.0))
    assert found.images_per_second == 64.0
    assert found.step_seconds is not None
    assert found.step_seconds.median == 1.0
