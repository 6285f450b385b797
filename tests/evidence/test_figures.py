"""Figures of a whole run, weighted by steps, and the time of a step without what is no training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contract.names import Metric
from worker.evidence.figures import (
    WARMUP_STEPS,
    Machine,
    RunMeasurements,
    Start,
    StepWeightedMean,
    Window,
    last_epoch_mean,
    quartiles,
    speed_figures,
    timed,
)

HERE, THERE = Machine(device="cpu (A)", threads=2), Machine(device="cpu (B)", threads=2)


def measured(*points: tuple[int, float], starts: tuple[Start, ...] = (Start(step=0, machine=HERE),)) -> RunMeasurements:
    """`points` are (step, images per second)."""
    run = RunMeasurements(batch=64, steps_per_epoch=10, blocks=9)
    for start in starts:
        run.started(start)
    for step, speed in points:
        run.add(step, {Metric.IMAGES_PER_SECOND: speed})
    return run


def test_a_point_stands_for_the_steps_since_the_one_before() -> None:
    mean = StepWeightedMean()
    for step, share in ((10, 0.80), (20, 0.70), (30, 0.75), (33, 0.40)):
        mean.add(step, share)
    # The plain mean is 0.663, the last point 0.40.
    assert mean.mean == pytest.approx(23.7 / 33)


def test_nothing_is_known_before_the_first_point() -> None:
    assert StepWeightedMean().mean is None
    assert StepWeightedMean(begin=7).mean is None


@given(
    shares=st.lists(st.floats(0.3, 1.0), min_size=1, max_size=60),
    lengths=st.lists(st.integers(1, 9), min_size=60, max_size=60),
)
def test_reports_of_any_length_give_the_mean_over_the_steps(shares: list[float], lengths: list[int]) -> None:
    steps, mean = np.cumsum(lengths[: len(shares)]), StepWeightedMean()
    for step, share in zip(steps, shares, strict=True):
        mean.add(int(step), share)
    assert mean.mean == pytest.approx(float(np.average(shares, weights=lengths[: len(shares)])))


def test_the_loss_of_the_last_epoch_counts_only_its_steps() -> None:
    points = [(8, 9.0), (16, 3.0), (20, 1.0)]
    # Steps 11 to 16 are of the second report, 17 to 20 of the third.
    assert last_epoch_mean(points, steps_per_epoch=10) == pytest.approx((6 * 3.0 + 4 * 1.0) / 10)
    assert last_epoch_mean(points[:1], steps_per_epoch=10) == 9.0
    assert last_epoch_mean([], steps_per_epoch=10) is None


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=50))
def test_quartiles_are_numpys(values: list[float]) -> None:
    found = quartiles(values)
    assert found is not None
    assert [found.q1, found.median, found.q3] == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]))
    assert found.n == len(values)


def test_the_speed_of_a_run_is_the_median_of_its_reports() -> None:
    assert measured((10, 154.0), (20, 150.0), (30, 370.0)).figures().images_per_second == 154.0


def test_steps_of_a_warm_up_are_not_timed() -> None:
    """A window counts from WARMUP_STEPS after the start on: the first report is of the first of them."""
    found = measured((10, 1.0), (20, 64.0), (30, 32.0), (40, 64.0)).figures().step_seconds
    assert found is not None
    assert (found.median, found.n) == (1.0, 3)
    every_step = measured(*((step, 1.0 if step <= WARMUP_STEPS else 64.0) for step in range(1, 15))).figures()
    assert every_step.step_seconds is not None
    assert (every_step.step_seconds.q3, every_step.step_seconds.n) == (1.0, 14 - WARMUP_STEPS)
    assert measured((10, 64.0)).figures().step_seconds is None


def test_neither_are_those_after_a_resume() -> None:
    """It went on after step 25, in the middle of a report: that report and the next are of its warm-up."""
    resumed = Start(step=25, machine=HERE)
    windows = [Window(step, 64.0, Start(step=0) if step <= 25 else resumed) for step in (10, 20, 30, 40, 50)]
    assert [window.step for window in timed(windows)] == [20, 50]
    run = measured(*((step, 64.0) for step in (10, 20, 30, 40, 50)), starts=(Start(step=0, machine=HERE), resumed))
    assert run.figures().step_seconds == speed_figures(windows, batch=64).step_seconds


def test_a_run_that_moved_tells_of_all_its_machines() -> None:
    starts = (Start(step=0, machine=HERE), Start(step=20, machine=THERE))
    assert measured((10, 1.0), (20, 2.0), (30, 3.0), starts=starts).figures().machines == [HERE]
    assert measured((10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0), starts=starts).figures().machines == [HERE, THERE]
    assert measured((10, 1.0), (20, 2.0), starts=(Start(step=0),)).figures().machines == []


def test_a_run_without_stochastic_depth_computes_the_full_network() -> None:
    assert (measured((10, 1.0)).figures().compute, measured((10, 1.0)).figures().depth) == (1.0, 9.0)
    assert (measured().figures().compute, measured().figures().depth) == (None, None)
    assert measured().figures().images_per_second is None


def test_what_is_not_finite_counts_as_not_reported() -> None:
    run = RunMeasurements(batch=64, steps_per_epoch=10, blocks=9)
    for step, share in ((10, 0.8), (20, None), (30, 0.5)):
        run.add(step, {Metric.SD_COMPUTE: share, Metric.TRAIN_LOSS: share, Metric.IMAGES_PER_SECOND: 1.0})
    assert run.figures().compute == pytest.approx((10 * 0.8 + 20 * 0.5) / 30)
    assert run.figures().train_loss == 0.5
