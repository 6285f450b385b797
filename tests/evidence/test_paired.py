"""The statistics of a fixed number of seeds agree with scipy's and statsmodels', and with counting by hand."""

from __future__ import annotations

import math
from itertools import product
from statistics import fmean

import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

from worker.evidence import paired, planning

SAMPLES = [
    np.random.default_rng(seed).normal(0.3, 1.0, size).tolist() for seed, size in enumerate((2, 3, 5, 8, 13, 20, 50))
]


@pytest.mark.parametrize("differences", SAMPLES, ids=len)
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_students_interval_is_that_of_statsmodels(differences: list[float], confidence: float) -> None:
    reference = DescrStatsW(differences)
    assert paired.student_interval(differences, confidence) == pytest.approx(reference.tconfint_mean(1 - confidence))
    for ours, theirs in (("greater", "larger"), ("less", "smaller")):
        found = paired.student_interval(differences, confidence, alternative=ours)
        assert found == pytest.approx(reference.tconfint_mean(1 - confidence, alternative=theirs))


@pytest.mark.parametrize("differences", SAMPLES, ids=len)
def test_students_p_is_that_of_statsmodels(differences: list[float]) -> None:
    reference = DescrStatsW(differences)
    for ours, theirs in (("two-sided", "two-sided"), ("greater", "larger"), ("less", "smaller")):
        for at in (0.0, -0.5):
            found = paired.student(differences, at=at, alternative=ours)
            assert found == pytest.approx(reference.ttest_mean(at, alternative=theirs)[1])


@pytest.mark.parametrize(
    "differences", [*SAMPLES[:5], [0.0, 0.0, 1.0], [0.1, 0.2, -0.3], [1.0, 1.0, 1.0, -1.0]], ids=str
)
@pytest.mark.parametrize("at", [0.0, -0.25])
def test_signs_are_flipped_in_every_way(differences: list[float], at: float) -> None:
    shifted = [value - at for value in differences]
    means = [
        fmean(s * d for s, d in zip(signs, shifted, strict=True)) for signs in product((1, -1), repeat=len(shifted))
    ]
    found, few = fmean(shifted), 1e-9
    assert paired.sign_flips(differences, at=at) == pytest.approx(
        sum(abs(mean) >= abs(found) - few for mean in means) / len(means)
    )
    assert paired.sign_flips(differences, at=at, alternative="greater") == pytest.approx(
        sum(mean >= found - few for mean in means) / len(means)
    )


def test_many_signs_are_drawn_and_the_same_each_time() -> None:
    differences = np.random.default_rng(3).normal(0.5, 1.0, 40).tolist()
    assert paired.sign_flips(differences) == paired.sign_flips(differences)
    assert paired.sign_flips(differences) == pytest.approx(paired.student(differences), abs=0.01)


def test_the_bootstrap_is_scipys_and_needs_five_seeds() -> None:
    assert paired.bootstrap_interval(SAMPLES[1], 0.95) is None
    for differences in SAMPLES[2:]:
        reference = stats.bootstrap((differences,), np.mean, method="BCa", n_resamples=40_000, rng=0)
        found = paired.bootstrap_interval(differences, 0.95)
        assert found == paired.bootstrap_interval(differences, 0.95)
        assert found == pytest.approx(tuple(reference.confidence_interval), abs=0.05)


def test_the_bootstrap_of_values_almost_all_alike_is_an_interval_or_none() -> None:
    found = paired.bootstrap_interval([1.0, 1.0, 1.0, 1.0, 1.0, 1.0 + 1e-6], 0.95)
    assert found is None or all(math.isfinite(end) for end in found)


@pytest.mark.parametrize("seed", range(20))
def test_holm_is_that_of_statsmodels(seed: int) -> None:
    p = np.random.default_rng(seed).uniform(0, 0.2, seed % 7 + 1).tolist()
    assert paired.holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist())


def test_holm_is_monotone_and_at_most_1() -> None:
    assert paired.holm([0.6, 0.01, 0.7]) == pytest.approx([1.0, 0.03, 1.0])
    assert paired.holm([0.04, 0.03]) == pytest.approx([0.06, 0.06])


@pytest.mark.parametrize(
    ("effect", "is_two_sided"), [(0.3, True), (0.3, False), (0.8, True), (0.8, False), (-1.2, True), (2.0, False)]
)
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_seeds_needed_are_those_of_statsmodels(effect: float, alpha: float, is_two_sided: bool) -> None:
    alternative = "two-sided" if is_two_sided else "larger"
    exact = TTestPower().solve_power(effect, alpha=alpha, power=0.8, alternative=alternative)
    critical = planning.student_critical(alpha, is_two_sided=is_two_sided)
    assert planning.seeds_needed(effect, critical, is_two_sided=is_two_sided) == max(2, math.ceil(exact))


def test_the_power_is_that_of_statsmodels() -> None:
    critical = planning.student_critical(0.05, is_two_sided=True)
    for n in (2, 5, 10, 20):
        for effect in (0.0, 0.5, 1.0):
            exact = TTestPower().power(effect, n, 0.05)
            assert planning.power(n, effect, critical(n), is_two_sided=True) == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("effect", [3.0, 9.0, 12.0, 50.0])
def test_the_power_of_large_effects_is_that_of_the_integral(n: int, effect: float) -> None:
    """With two seeds even 12 standard deviations are not found in every study; there statsmodels has no number."""
    critical = planning.student_critical(0.05, is_two_sided=True)(n)
    center, freedom = effect * math.sqrt(n), n - 1

    def beyond(square: float) -> float:
        return float(stats.norm.sf(critical * math.sqrt(square / freedom) - center) * stats.chi2.pdf(square, freedom))

    exact = integrate.quad(beyond, 0, freedom, limit=400)[0] + integrate.quad(beyond, freedom, math.inf, limit=400)[0]
    assert planning.power(n, effect, critical, is_two_sided=True) == pytest.approx(exact, abs=1e-6)


def test_an_effect_too_small_needs_more_seeds_than_anybody_trains() -> None:
    critical = planning.student_critical(0.05, is_two_sided=True)
    assert planning.seeds_needed(0.01, critical, is_two_sided=True) is None
    assert planning.seeds_needed(1e9, critical, is_two_sided=True) == 2


def test_what_pairing_bought() -> None:
    first, second = [90.0, 91.0, 92.0, 93.0], [90.5, 91.6, 92.4, 93.5]
    assert paired.correlation(first, second) == pytest.approx(stats.pearsonr(first, second).statistic)
    differences = np.subtract(second, first)
    n = paired.unpaired_seeds(first, second)
    error = math.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / n)
    assert error <= np.std(differences, ddof=1) / 2 + 1e-12
    assert math.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / (n - 1)) > np.std(differences, ddof=1) / 2
    assert paired.correlation(first[:2], second[:2]) is None
    assert paired.correlation([1.0, 1.0, 1.0], second[:3]) is None


@pytest.mark.parametrize("values", [[], [1.0], [0.5, 0.5], [0.1 + 0.2, 0.3], [1e9, 1e9 + 1e-3]])
def test_values_that_are_all_alike_have_no_spread(values: list[float]) -> None:
    assert not paired.has_spread(values)
    assert paired.has_spread([*values, 7.0, 8.0])
