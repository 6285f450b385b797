"""What a number of seeds can show, held against statsmodels, scipy and simulated studies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from worker.contract.plan import Plan, Question, Rule, Stopping
from worker.evidence import anytime
from worker.evidence.preview_words import headline, shown_hours, spread_sentence
from worker.evidence.sensitivity import Spread, assumed_spread, images_reach, pooled_spread, reach


# Of fewer seeds and more arms statsmodels has no number.
@pytest.mark.parametrize(("seeds", "contrasts"), [(2, 1), (3, 1), (5, 1), (10, 1), (30, 1), (5, 4), (10, 4), (30, 4)])
def test_the_smallest_difference_is_that_of_statsmodels(seeds: int, contrasts: int) -> None:
    found = reach(seeds, 0.2, Rule(), contrasts=contrasts)
    effect = TTestPower().solve_power(nobs=seeds, alpha=0.05 / contrasts, power=0.8)
    assert found.detectable == pytest.approx(0.2 * effect, rel=1e-4)
    # What is shown is the interval of one arm, without a correction.
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, seeds - 1) * 0.2 / math.sqrt(seeds))


@pytest.mark.parametrize("seeds", [2, 5, 10])
def test_the_smallest_margin_is_that_of_a_one_sided_test(seeds: int) -> None:
    rule = Rule(question=Question.NON_INFERIORITY, margin=0.3)
    effect = TTestPower().solve_power(nobs=seeds, alpha=0.05, power=0.8, alternative="larger")
    assert reach(seeds, 0.2, rule, contrasts=1).detectable == pytest.approx(0.2 * effect, rel=1e-4)


def test_one_seed_and_too_few_for_a_sequential_plan_show_nothing() -> None:
    assert reach(1, 0.2, Rule(), contrasts=1).model_dump() == {"seeds": 1, "half_width": None, "detectable": None}
    found = reach(3, 0.2, Rule(stopping=Stopping.SEQUENTIAL), contrasts=1)
    assert (found.half_width, found.detectable) == (None, None)


@pytest.mark.parametrize(("seeds", "contrasts"), [(2, 1), (2, 4), (3, 4), (6, 1)])
def test_a_planted_difference_is_found_in_four_of_five_studies(seeds: int, contrasts: int) -> None:
    rng, spread = np.random.default_rng(7), 0.3
    found = reach(seeds, spread, Rule(), contrasts=contrasts)
    assert found.detectable is not None
    studies = rng.normal(found.detectable, spread, (4000, seeds))
    share = np.mean(stats.ttest_1samp(studies, 0, axis=1).pvalue <= 0.05 / contrasts)
    assert share == pytest.approx(0.8, abs=0.02)


def test_a_sequential_plan_finds_it_at_least_as_often() -> None:
    """It may have been decided at any look before the last."""
    rng, rule = np.random.default_rng(8), Rule(stopping=Stopping.SEQUENTIAL)
    found = reach(12, 1.0, rule, contrasts=1)
    assert found.detectable is not None
    studies = rng.normal(found.detectable, 1.0, (400, 12))
    decided = [anytime.Path(list(study), rule.alpha).greatest >= -math.log(rule.alpha) for study in studies]
    assert np.mean(decided) >= 0.78


def test_spreads_are_pooled_about_the_mean_of_each_contrast() -> None:
    first, second = [0.1, 0.3, 0.5], [5.0, 5.4]
    expected = math.sqrt((np.var(first, ddof=1) * 2 + np.var(second, ddof=1)) / 3)
    found = pooled_spread([first, second, [1.0]])
    assert found is not None
    assert (found.value, found.degrees) == (pytest.approx(expected), 3)


@pytest.mark.parametrize("studies", [[], [[1.0]], [[1.0, 2.0]], [[1.0, 1.0, 1.0]]])
def test_too_little_is_no_spread(studies: list[list[float]]) -> None:
    assert pooled_spread(studies) is None


def test_the_images_own_limit() -> None:
    assert images_reach(50_000, 0.12, 0.95) == pytest.approx(0.3036, abs=1e-4)
    assert assumed_spread(50_000, 0.12).value == pytest.approx(0.1549, abs=1e-4)
    rng = np.random.default_rng(9)
    # Each image is won by one arm, by the other, or judged alike.
    outcomes = rng.choice([-1, 0, 1], p=[0.06, 0.88, 0.06], size=(400, 50_000))
    assert np.std(100 * outcomes.mean(axis=1)) == pytest.approx(assumed_spread(50_000, 0.12).value, rel=0.1)


@pytest.mark.parametrize(
    ("seeds", "plan", "said"),
    [
        (1, Plan(), "One seed says nothing of other seeds"),
        (3, Plan(), "3 seeds: an interval of about ±0.38 points; a true difference of 0.51 points is found in 4 of 5"),
        (2, Plan(confidence=0.9999), "2 seeds are too few to decide anything. Plan more."),
        (3, Plan(stopping=Stopping.SEQUENTIAL, max_seeds=3), "Up to 3 seeds are too few to decide anything"),
        (
            5,
            Plan(question=Question.NON_INFERIORITY, margin=0.3),
            "5 seeds: arms that are alike are found not inferior in 4 of 5 studies if the margin is 0.21 points; the "
            "plan's is 0.3.",
        ),
    ],
)
def test_the_plan_is_told_what_it_can_show(seeds: int, plan: Plan, said: str) -> None:
    spread = assumed_spread(360 if plan.confidence > 0.99 else 50_000, 0.12)
    assert headline(reach(seeds, spread.value, plan, contrasts=1), plan, seeds=seeds).startswith(said)


def test_an_assumption_is_called_one() -> None:
    assert spread_sentence(assumed_spread(360, 0.12), Plan()).startswith("Assumed: over seeds,")
    measured = spread_sentence(Spread(value=0.21, degrees=4), Plan())
    assert "a standard deviation of 0.21 points in earlier comparisons here" in measured
    assert "not known" in spread_sentence(None, Plan())
    assert "not known before" in headline(None, Plan(metric="val/loss"), seeds=3)


@pytest.mark.parametrize(
    ("hours", "text"), [(0.01, "36 s"), (0.5, "30 minutes"), (3.25, "3.2 hours"), (1234.0, "1,234 hours")]
)
def test_hours_are_told_as_a_person_reads_them(hours: float, text: str) -> None:
    assert shown_hours(hours) == text
