"""How far a median step is to be trusted, where reports that follow each other are alike."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evidence.test_verdict import pair
from worker.evidence.blocks import BLOCKS, FEWEST, MOST_KEPT, Thinned, median_ratio_interval
from worker.evidence.verdict import verdict_of


def blocks_of(values: list[float]) -> list[float]:
    series = Thinned()
    for value in values:
        series.add(value)
    return series.block_medians()


def alike(draws: np.random.Generator, count: int, correlation: float) -> list[float]:
    """Noise of which each value is so much like the one before; of standard deviation 1."""
    values = [float(draws.normal())]
    for step in draws.normal(0, np.sqrt(1 - correlation**2), count - 1):
        values.append(correlation * values[-1] + float(step))
    return values


@pytest.mark.parametrize(("count", "kept"), [(10, 10), (MOST_KEPT, MOST_KEPT), (1000, 250), (100_000, 196)])
def test_a_series_is_thinned_evenly_however_long_it_is(count: int, kept: int) -> None:
    series = Thinned()
    for value in range(count):
        series.add(value)
        if value % 997 == 0:
            # As the service stores it between two reports.
            series = Thinned.model_validate_json(series.model_dump_json())
    assert len(series.values) == kept
    assert series.values == [place * series.stride for place in range(kept)]


def test_too_few_values_have_no_blocks() -> None:
    assert blocks_of([1.0] * (FEWEST - 1)) == []
    assert blocks_of([1.0] * FEWEST) == [1.0] * BLOCKS
    assert median_ratio_interval([], [1.0] * BLOCKS, 0.95) is None


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_the_interval_covers_the_ratio_where_neighbours_are_alike(correlation: float) -> None:
    draws = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        first, second = (
            blocks_of([scale * float(np.exp(0.05 * value)) for value in alike(draws, 256, correlation)])
            for scale in (1.0, 0.8)
        )
        bounds = median_ratio_interval(first, second, 0.95)
        assert bounds is not None
        covered += bounds[0] <= 0.8 <= bounds[1]
    assert covered / 200 >= 0.92


def test_one_pair_has_the_interval_of_its_blocks() -> None:
    draws = np.random.default_rng(2)
    first, second = ([scale + float(value) for value in draws.normal(0, 0.002, BLOCKS)] for scale in (0.1, 0.08))
    runs = pair(0, 0.0, step=0.08)
    verdict = verdict_of(
        [run.model_copy(update={"step_blocks": told}) for run, told in zip(runs, (first, second), strict=True)]
    )
    found = verdict.pairs[0]
    assert found.time_low is not None
    assert found.time_high is not None
    assert found.time_low < 0.8 < found.time_high
    assert f"(one pair, {found.time_low:.2f} to {found.time_high:.2f} by its blocks of steps)" in verdict.time_sentence
    assert verdict.contrasts[0].speed.realised == pytest.approx(0.8)
    assert "step_blocks" not in verdict.model_dump_json()


def test_a_ratio_that_skipping_cannot_explain_realises_nothing() -> None:
    assert verdict_of(pair(0, 0.0, step=0.05)).contrasts[0].speed.realised is None
