"""What is concluded of a study: decided by its rule alone, refused where there is too little, lost runs named."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from worker.contract.errors import field_errors
from worker.contract.plan import Plan, Question, Rule, Stopping
from worker.evidence.conclusion import Conclusion
from worker.evidence.study import Ending, Result, Study
from worker.evidence.study_text import as_text
from worker.evidence.study_verdict import StudyVerdict, decide

TITLES = {"baseline": "the baseline", "sd": "stochastic depth"}
FIXED = Rule()
SEQUENTIAL = Rule(stopping=Stopping.SEQUENTIAL)
NOT_WORSE = Rule(question=Question.NON_INFERIORITY, margin=1.0)
NOT_WORSE_WATCHED = Rule(question=Question.NON_INFERIORITY, margin=1.0, stopping=Stopping.SEQUENTIAL)
RULES = [FIXED, SEQUENTIAL, NOT_WORSE, NOT_WORSE_WATCHED]
NAN = float("nan")


def results(arm: str, values: Sequence[float | Ending]) -> list[Result]:
    return [
        Result(arm=arm, seed=seed, ending=value)
        if isinstance(value, Ending)
        else Result(arm=arm, seed=seed, value=value)
        for seed, value in enumerate(values)
    ]


def study(differences: Sequence[float | Ending], *more: Sequence[float | Ending], **changes: Any) -> Study:
    """A baseline that varies by tenths, and arms that differ from it by these."""
    arms = ["sd", "mixup", "both"][: 1 + len(more)]
    base = [90 + 0.1 * (seed % 4) for seed in range(len(differences))]
    told = results("baseline", base)
    for arm, shifts in zip(arms, (differences, *more), strict=True):
        told += results(arm, [b + s if isinstance(s, float) else s for b, s in zip(base, shifts, strict=True)])
    given: dict[str, Any] = {
        "arms": ("baseline", *arms), "planned": tuple(range(len(differences))), "results": tuple(told),
        "titles": TITLES, "unit": " points", "decimals": 2,
    }  # fmt: skip
    return Study(**given | changes)


def conclusion(differences: Sequence[float | Ending], rule: Rule, **changes: Any) -> Conclusion:
    return decide(study(differences, **changes), rule).conclusion


GAINS = [1.0, 1.2, 0.9, 1.1, 1.3, 1.0]
LOSSES = [-value for value in GAINS]
NOTHING = [0.3, -0.4, 0.9, -0.7, 0.1, -0.2]


class TestConclusions:
    @pytest.mark.parametrize("rule", [FIXED, SEQUENTIAL])
    def test_a_difference_is_better_worse_or_undecided(self, rule: Rule) -> None:
        assert conclusion(GAINS, rule) is Conclusion.BETTER
        assert conclusion(LOSSES, rule) is Conclusion.WORSE
        assert conclusion(NOTHING, rule) is Conclusion.UNDECIDED

    @pytest.mark.parametrize("rule", [NOT_WORSE, NOT_WORSE_WATCHED])
    def test_an_arm_is_not_inferior_inferior_or_undecided(self, rule: Rule) -> None:
        assert conclusion([-0.3, -0.2, -0.4, -0.3, -0.2, -0.35], rule) is Conclusion.NOT_INFERIOR
        assert conclusion(GAINS, rule) is Conclusion.NOT_INFERIOR
        assert conclusion([-2.3, -2.1, -2.4, -2.2, -2.0, -2.1], rule) is Conclusion.INFERIOR
        assert conclusion(LOSSES, rule) is Conclusion.UNDECIDED

    @pytest.mark.parametrize("rule", [FIXED, SEQUENTIAL])
    def test_of_a_loss_less_is_better(self, rule: Rule) -> None:
        verdict = decide(study(GAINS, higher_is_better=False), rule)
        assert verdict.conclusion is Conclusion.WORSE
        (contrast,) = verdict.contrasts
        # The numbers stay in the metric's own direction.
        assert contrast.mean is not None
        assert contrast.low is not None
        assert contrast.high is not None
        assert 0 < contrast.low < contrast.mean < contrast.high
        assert conclusion(LOSSES, rule, higher_is_better=False) is Conclusion.BETTER

    def test_the_margin_turns_with_the_direction(self) -> None:
        for rule in (NOT_WORSE, NOT_WORSE_WATCHED):
            for values, expected in (
                ([0.3, 0.2, 0.4, 0.3, 0.2, 0.3], "not_inferior"),
                ([2.3, 2.1, 2.2, 2.0, 2.4, 2.2], "inferior"),
            ):
                verdict = decide(study(values, higher_is_better=False), rule)
                mirrored = decide(study([-value for value in values]), rule)
                assert verdict.conclusion == mirrored.conclusion == expected
                assert verdict.contrasts[0].p_adjusted == pytest.approx(mirrored.contrasts[0].p_adjusted)
                assert verdict.contrasts[0].high == pytest.approx(-(mirrored.contrasts[0].low or math.nan))

    def test_holm_decides_over_several_arms(self) -> None:
        close = [0.2, 1.4, 0.3, 1.0, -0.1, 1.1]
        assert conclusion(close, FIXED) is Conclusion.BETTER
        verdict = decide(study(close, NOTHING, NOTHING), FIXED)
        first = verdict.contrasts[0]
        assert first.conclusion is Conclusion.UNDECIDED
        assert first.p is not None
        assert first.p_adjusted == pytest.approx(3 * first.p)
        assert "Alone it would be decided" in first.reason
        assert first.low is not None
        assert first.low > 0

    def test_one_better_arm_of_several_is_better(self) -> None:
        verdict = decide(study(GAINS, LOSSES, NOTHING), FIXED)
        assert verdict.conclusion is Conclusion.BETTER
        assert verdict.headline == (
            "3 arms against the baseline over 6 seeds: stochastic depth is better; mixup is worse; both is not decided."
        )
        assert not verdict.is_decided
        assert decide(study(GAINS, LOSSES), FIXED).is_decided
        assert decide(study(LOSSES, NOTHING), FIXED).conclusion is Conclusion.UNDECIDED

    def test_a_sequential_decision_stays(self) -> None:
        """What was decided is not taken back by seeds that came after, and number and sentence agree."""
        verdict = decide(study([*GAINS, *GAINS, -6.0]), SEQUENTIAL)
        (contrast,) = verdict.contrasts
        assert verdict.conclusion is Conclusion.BETTER
        assert contrast.low is not None
        assert contrast.low > 0
        assert contrast.evidence is not None
        assert contrast.evidence < 20 < max(look.evidence for look in contrast.looks)
        assert contrast.p == pytest.approx(1 / max(look.evidence for look in contrast.looks))
        assert [look.seed for look in contrast.looks] == list(range(13))


class TestRefusals:
    @pytest.mark.parametrize("rule", RULES, ids=str)
    @pytest.mark.parametrize("difference", [-40.0, 0.0, 40.0])
    def test_one_seed_says_nothing_of_others(self, rule: Rule, difference: float) -> None:
        verdict = decide(study([difference]), rule)
        assert verdict.conclusion is Conclusion.NOT_ENOUGH
        assert verdict.headline.startswith("One seed cannot tell stochastic depth from the baseline")
        assert verdict.contrasts[0].p is None
        assert verdict.contrasts[0].low is None

    @pytest.mark.parametrize("rule", RULES, ids=str)
    @pytest.mark.parametrize("value", [0.0, 0.5, -40.0])
    def test_differences_all_alike_say_nothing_either(self, rule: Rule, value: float) -> None:
        verdict = decide(study([value] * 7), rule)
        assert verdict.conclusion is Conclusion.NOT_ENOUGH
        assert "they all show the same" in verdict.headline

    @pytest.mark.parametrize("rule", RULES, ids=str)
    def test_no_seed_at_all(self, rule: Rule) -> None:
        verdict = decide(study([Ending.FAILED, Ending.PENDING]), rule)
        assert verdict.conclusion is Conclusion.NOT_ENOUGH
        assert verdict.headline.startswith("No seed has ended with a value of every arm")
        assert verdict.contrasts[0].mean is None

    def test_no_seed_of_several_arms(self) -> None:
        verdict = decide(study([Ending.FAILED], [1.0]), FIXED)
        assert verdict.headline == "No seed has ended with a value of every arm, so nothing can be compared."

    def test_a_fixed_plan_decides_when_all_its_seeds_have_ended(self) -> None:
        verdict = decide(study([*GAINS, Ending.PENDING]), FIXED)
        assert verdict.conclusion is Conclusion.UNDECIDED
        assert verdict.reason == "6 of 7 planned seeds have ended. A fixed plan decides when all have."
        assert conclusion([*GAINS, Ending.PENDING], SEQUENTIAL) is Conclusion.BETTER
        assert conclusion([*GAINS, Ending.FAILED], FIXED) is Conclusion.BETTER

    def test_seeds_that_have_no_run_yet_are_pending(self) -> None:
        assert conclusion(GAINS, FIXED, planned=tuple(range(8))) is Conclusion.UNDECIDED

    def test_an_extended_fixed_plan_loses_its_claim(self) -> None:
        verdict = decide(study(GAINS, planned=(0, 1, 2)), FIXED)
        assert verdict.conclusion is Conclusion.UNDECIDED
        assert verdict.headline == (
            "No claim can be made of stochastic depth against the baseline, for the plan was extended: a difference of "
            "+1.08 points."
        )
        assert verdict.reason.startswith("The plan was fixed at 3 seeds, and seeds 3, 4, 5 came in addition.")
        assert conclusion(GAINS, SEQUENTIAL, planned=(0, 1, 2)) is Conclusion.BETTER

    @pytest.mark.parametrize("value", [NAN, math.inf, -math.inf, 1e300])
    def test_what_is_no_number_has_diverged_and_is_named(self, value: float) -> None:
        verdict = decide(study([*GAINS, value]), FIXED)
        assert verdict.conclusion is Conclusion.BETTER
        assert verdict.seeds == (0, 1, 2, 3, 4, 5)
        assert "stochastic depth, seed 6, diverged" in verdict.warnings[0]

    def test_lost_runs_are_counted_and_named(self) -> None:
        verdict = decide(study([*GAINS, Ending.FAILED, Ending.STOPPED, Ending.DELETED]), FIXED)
        assert verdict.warnings[0] == (
            "3 runs ended without a value, which leaves out 3 seeds: stochastic depth, seed 6, failed; stochastic "
            "depth, seed 7, was stopped; stochastic depth, seed 8, was deleted. If an arm makes runs fail, the others "
            "flatter it."
        )

    def test_a_seed_counts_when_all_its_arms_have_ended(self) -> None:
        verdict = decide(study([*GAINS, 9.0], [*NOTHING, Ending.FAILED]), FIXED)
        assert verdict.seeds == (0, 1, 2, 3, 4, 5)
        assert all(contrast.n == 6 for contrast in verdict.contrasts)

    def test_few_seeds_and_a_check_that_fails_are_told(self) -> None:
        verdict = decide(study([1.0, 1.1, 1.2, 1.05]), FIXED)
        assert verdict.conclusion is Conclusion.BETTER
        assert any("4 seeds are too few to see" in warning for warning in verdict.warnings)
        assert any(
            "does not confirm it (p = 0.12; with 4 seeds it cannot be less than 0.12)" in w for w in verdict.warnings
        )

    def test_pairing_that_bought_nothing_is_told(self) -> None:
        base, other = [1.0, 2.0, 3.0, 4.0], [4.0, 3.1, 2.0, 1.0]
        told = (*results("baseline", base), *results("sd", other))
        verdict = decide(Study(arms=("baseline", "sd"), planned=(0, 1, 2, 3), results=told), FIXED)
        assert any("pairing by seed bought nothing" in warning for warning in verdict.warnings)


class TestWords:
    def test_three_seeds_that_differ_in_sign(self) -> None:
        verdict = decide(study([0.3, -0.4, 0.9]), FIXED)
        assert verdict.headline == (
            "These 3 seeds cannot tell stochastic depth from the baseline: a difference of +0.27 points "
            "(95 % interval −1.35 to +1.88)."
        )
        assert verdict.reason == (
            "Student's paired t-test has p = 0.55. An effect as large as the mean is found with 49 seeds in 80 % of "
            "studies."
        )

    def test_what_is_decided_says_how_much_and_over_how_many_seeds(self) -> None:
        assert decide(study(GAINS), FIXED).headline == (
            "Stochastic depth is better than the baseline: a difference of +1.08 points (95 % interval +0.93 to "
            "+1.24), over 6 seeds."
        )

    def test_how_much_worse_it_is_at_most(self) -> None:
        assert decide(study([-0.3, -0.2, -0.4, -0.3, -0.2, -0.35]), NOT_WORSE).headline == (
            "Stochastic depth is at most 0.36 points worse than the baseline (95 %), over 6 seeds."
        )
        assert decide(study(GAINS), NOT_WORSE).headline == (
            "Stochastic depth is not worse than, and at least 0.96 points better than, the baseline (95 %), over 6 "
            "seeds."
        )
        assert decide(study([-2.3, -2.1, -2.4, -2.2, -2.0, -2.1]), NOT_WORSE).headline == (
            "Stochastic depth is worse than the baseline by more than the margin: at least 2.06 points (95 %), over 6 "
            "seeds."
        )

    def test_an_end_close_to_zero_shows_its_side(self) -> None:
        (contrast,) = decide(study([1.0, 0.35, 1.4, 0.2, 1.1]), FIXED).contrasts
        assert contrast.low is not None
        assert contrast.low > 0
        shifted = [value - contrast.low + 0.0004 for value in (1.0, 0.35, 1.4, 0.2, 1.1)]
        verdict = decide(study(shifted), FIXED)
        assert verdict.conclusion is Conclusion.BETTER
        assert "(95 % interval +0.0004 to " in verdict.headline
        assert verdict.contrasts[0].interval_text.startswith("+0.0004 to ")

    def test_an_interval_without_ends_is_said_to_have_none(self) -> None:
        headline = decide(study([0.3, -0.4, 0.9]), SEQUENTIAL).headline
        assert "no 95 % interval is bounded yet" in headline

    @pytest.mark.parametrize(
        ("scale", "digits"),
        [(1e-8, "+1.08e−08"), (1e-3, "+0.00108"), (1.0, "+1.07"), (1e3, "+1075"), (1e9, "+1.08e+09")],
    )
    def test_digits_suit_the_spread(self, scale: float, digits: str) -> None:
        told = (*results("a", [0.0] * 4), *results("b", [scale * value for value in (1.0, 1.4, 0.7, 1.2)]))
        headline = decide(Study(arms=("a", "b"), planned=(0, 1, 2, 3), results=told), FIXED).headline
        assert f"a difference of {digits} (95 %" in headline

    def test_names_from_a_file_keep_their_letters(self) -> None:
        told = (*results("a", [0.0, 0.1, 0.2]), *results("my arm", [1.0, 1.2, 1.1]))
        assert decide(Study(arms=("a", "my arm"), planned=(0, 1, 2), results=told), FIXED).headline.startswith(
            "my arm is"
        )

    @pytest.mark.parametrize("rule", RULES, ids=str)
    @pytest.mark.parametrize("values", [[1.0], GAINS, LOSSES, NOTHING, [0.5, 0.5], [*GAINS, NAN]], ids=str)
    def test_every_verdict_is_json_and_text(self, rule: Rule, values: list[float]) -> None:
        verdict = decide(study(values, NOTHING[: len(values)] + [0.2] * (len(values) - 6)), rule)
        json.dumps(verdict.model_dump(mode="json"), allow_nan=False)
        assert StudyVerdict.model_validate_json(verdict.model_dump_json()) == verdict
        assert as_text(verdict, rule).startswith(f"{verdict.conclusion.value}: ")


class TestInputs:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"question": "non_inferiority"}, "margin"),
            ({"margin": 0.3}, "margin"),
            ({"question": "non_inferiority", "margin": 0}, "margin"),
            ({"question": "non_inferiority", "margin": -1}, "margin"),
            ({"question": "non_inferiority", "margin": NAN}, "margin"),
            ({"max_seeds": 10}, "max_seeds"),
            ({"stopping": "sequential", "max_seeds": 1}, "max_seeds"),
            ({"stopping": "sequential", "max_seeds": 51}, "max_seeds"),
            ({"stopping": "now"}, "stopping"),
            ({"confidence": 1}, "confidence"),
            ({"confidence": 0.1}, "confidence"),
            ({"metric": "train/loss"}, "metric"),
            ({"at": "best"}, "at"),
            ({"seeds": 3}, "seeds"),
        ],
    )
    def test_a_plan_that_makes_no_sense_is_refused_by_field(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(ValidationError) as caught:
            Plan.model_validate(changes)
        assert list(field_errors(caught.value)) == [field]

    def test_a_loss_is_better_when_lower(self) -> None:
        assert Plan().higher_is_better
        assert not Plan(metric="val/loss").higher_is_better
        assert (Plan().most_seeds, Plan(stopping="sequential").most_seeds) == (None, 30)

    @pytest.mark.parametrize(
        "changes",
        [
            {"arms": ("baseline",)},
            {"arms": ("baseline", "baseline")},
            {"arms": ("baseline", "other")},
            {"results": (Result(arm="sd", seed=0, value=1), Result(arm="sd", seed=0, value=2))},
        ],
        ids=str,
    )
    def test_a_study_that_contradicts_itself_is_refused(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            study(GAINS, **changes)

    def test_a_completed_result_has_a_value(self) -> None:
        with pytest.raises(ValidationError, match="completed without a value"):
            Result(arm="sd", seed=0)
