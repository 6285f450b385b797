"""Evidence that is watched: the closed forms against integrals, and errors in simulated studies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from tests.benchmarks.evidence import crossings
from worker.evidence import anytime


def integrated(n: int, t: float, *, only_positive: bool = False) -> float:
    """The ratio of t's densities under the prior on the effect and under no effect, by quadrature."""
    prior = stats.norm(0, anytime.PRIOR)

    def weighed(effect: float) -> float:
        return float(stats.nct.pdf(t, n - 1, effect * math.sqrt(n)) * prior.pdf(effect))

    low = 0.0 if only_positive else -8 * anytime.PRIOR
    found = integrate.quad(weighed, low, 8 * anytime.PRIOR, points=[0.0, t / math.sqrt(n)], limit=500)[0]
    return float(found / stats.t.pdf(t, n - 1)) * (2 if only_positive else 1)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30])
@pytest.mark.parametrize("t", [0.0, 0.7, -2.5, 5.0])
def test_the_evidence_is_the_ratio_of_the_likelihoods_of_t(n: int, t: float) -> None:
    assert math.exp(anytime.log_evidence(n, t)) == pytest.approx(integrated(n, t), rel=1e-6)


@pytest.mark.parametrize("n", [2, 5, 12])
@pytest.mark.parametrize("t", [0.1, 1.0, 3.0, 6.0])
def test_half_of_it_is_at_most_the_evidence_of_the_half_prior(n: int, t: float) -> None:
    half = anytime.half_of(math.exp(anytime.log_evidence(n, t)))
    assert half <= integrated(n, t, only_positive=True) * (1 + 1e-6)


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.01])
def test_the_critical_t_is_where_the_evidence_is_1_over_alpha(alpha: float) -> None:
    assert anytime.critical_t(1, alpha) == anytime.critical_t(2, alpha) == math.inf
    for n in (6, 10, 30, 200):
        assert anytime.log_evidence(n, anytime.critical_t(n, alpha)) == pytest.approx(-math.log(alpha))


def test_no_study_is_decided_by_fewer_than_five_seeds_at_5_percent() -> None:
    assert anytime.critical_t(4, 0.05) == math.inf
    assert math.isfinite(anytime.critical_t(5, 0.05))


def test_evidence_and_interval_agree_after_each_seed() -> None:
    values = np.random.default_rng(1).normal(1.0, 1.0, 25).tolist()
    path = anytime.Path(values, 0.05)
    for count in range(1, len(values) + 1):
        greatest = max(path.log_evidence[:count])
        low, high = path.intervals[count - 1]
        assert (greatest >= -math.log(0.05)) == (low > 0 or high < 0)
    assert path.greatest == max(path.log_evidence)


def test_it_is_the_same_whatever_the_unit() -> None:
    values = np.random.default_rng(2).normal(0.4, 1.0, 12).tolist()
    one, thousand = anytime.Path(values, 0.05), anytime.Path([1000 * value for value in values], 0.05)
    assert one.log_evidence == pytest.approx(thousand.log_evidence)
    assert thousand.intervals[-1] == pytest.approx(tuple(1000 * end for end in one.intervals[-1]))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.0], [0.0, 0.0, 0.0]])
def test_what_has_no_spread_is_no_evidence(values: list[float]) -> None:
    path = anytime.Path(values, 0.05)
    assert path.greatest == 0.0
    assert all(bounds == (-math.inf, math.inf) for bounds in path.intervals)


def test_a_shift_among_the_seeds_is_noticed() -> None:
    generator = np.random.default_rng(0)
    values = [*generator.normal(0, 0.1, 12), *generator.normal(5, 0.1, 300)]
    assert anytime.Path(values, 0.05).is_contradictory
    assert not anytime.Path(values[:12], 0.05).is_contradictory


def test_watching_after_each_seed_decides_null_studies_falsely_in_at_most_5_percent() -> None:
    generator = np.random.default_rng(7)
    found = crossings(generator.standard_normal((4_000, 30)), alpha=0.05)
    assert np.mean(found <= 30) <= 0.05
    # One-sided: that the mean is above 0, where it is 0.
    found = crossings(generator.standard_normal((4_000, 30)), alpha=anytime.one_sided(0.05), only_above=True)
    assert np.mean(found <= 30) <= 0.05


def test_students_interval_that_is_watched_errs_far_more_often() -> None:
    """Why a fixed plan that is extended claims nothing."""
    values = np.random.default_rng(7).standard_normal((4_000, 20))
    n = np.arange(1, 21)
    mean = np.cumsum(values, axis=1) / n
    spread = np.sqrt(np.maximum(np.cumsum(values**2, axis=1) - n * mean**2, 0)[:, 1:] / (n[1:] - 1))
    t = np.abs(mean[:, 1:]) / spread * np.sqrt(n[1:])
    errs = np.any(t > stats.t.isf(0.025, n[1:] - 1), axis=1)
    assert np.mean(errs) > 0.2
