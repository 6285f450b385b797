"""The one verdict: what it says of the accuracy, and of the time beside the compute that was left."""

from __future__ import annotations

from typing import Any

import pytest

from worker.contract.plan import Plan, Question, Stopping
from worker.evidence.distribution import Quartiles
from worker.evidence.figures import Machine
from worker.evidence.pairs import CompletedRun
from worker.evidence.sentences import number, step_text
from worker.evidence.verdict import Design, Verdict, verdict_of

NOTHING = "No seed has ended with a value of every arm, so stochastic depth cannot be compared with the baseline."
MACHINE = Machine(device="cpu (A)", threads=2, versions={"torch": "2.14"})


def run(seed: int, arm: str, top1: float | None, *, step: float | None = 0.1, **changes: Any) -> CompletedRun:
    told: dict[str, Any] = {
        "run": f"{seed}/{arm}", "seed": seed, "arm": arm, "last_top1": top1, "best_top1": top1, "last_loss": 0.5,
        "compute": 0.75 if arm == "sd" else 1.0, "machines": [MACHINE],
        "step_seconds": Quartiles(median=step, q1=step, q3=step, n=9) if step is not None else None,
    }  # fmt: skip
    return CompletedRun(**told | changes)


def pair(seed: int, difference: float, *, step: float | None = 0.08, **changes: Any) -> list[CompletedRun]:
    return [run(seed, "baseline", 90.0), run(seed, "sd", 90.0 + difference, step=step, **changes)]


def of(*differences: float) -> Verdict:
    return verdict_of([one for seed, difference in enumerate(differences) for one in pair(seed, difference)])


def test_three_seeds_that_differ_in_sign_cannot_tell() -> None:
    verdict = of(0.3, -0.4, 0.9)
    assert verdict.headline == (
        "These 3 seeds cannot tell stochastic depth from the baseline: a difference of +0.27 points "
        "(95 % interval −1.35 to +1.88)."
    )
    assert verdict.sentences[0] == (
        "val/top1 after the last epoch, SD − baseline: +0.27 points (95 % interval −1.35 to +1.88, 3 seeds)"
    )
    assert verdict.mean_difference == pytest.approx(0.8 / 3)
    assert (verdict.tiles[0].value, verdict.tiles[0].remark) == (
        "+0.27 points",
        "95 % interval −1.35 to +1.88, 3 seeds",
    )


@pytest.mark.parametrize("difference", [-40.0, 0.0, 40.0])
def test_one_seed_never_claims_anything(difference: float) -> None:
    verdict = of(difference)
    assert verdict.headline == (
        "One seed cannot tell stochastic depth from the baseline; it takes two or more. "
        f"It shows a difference of {number(difference, '+.2f')} points."
    )
    assert verdict.sentences[0].endswith(" points (one seed: no interval is available)")


def test_equal_differences_never_claim_anything_either() -> None:
    assert "cannot tell" in of(0.5, 0.5, 0.5).headline
    assert "all alike" in of(0.5, 0.5, 0.5).sentences[0]


def test_an_interval_that_leaves_out_zero_says_on_which_side() -> None:
    assert "is better than the baseline" in of(1.0, 1.01, 1.02).headline
    assert "is worse than the baseline" in of(-1.0, -1.01, -1.02).headline


def test_only_seeds_with_both_runs_are_paired() -> None:
    verdict = verdict_of([*pair(0, 1.0), run(1, "baseline", 90.0), *pair(2, 2.0), run(3, "sd", 99.0)])
    assert verdict.seeds == (0, 2)
    assert verdict.mean_difference == pytest.approx(1.5)
    alone = verdict_of([run(1, "baseline", 90.0)])
    assert (alone.headline, alone.sentences, alone.time_sentence) == (NOTHING, [], "")
    assert verdict_of([]).tiles == []


def test_runs_without_an_accuracy_are_not_said_to_be_incomplete() -> None:
    verdict = verdict_of([run(0, "baseline", None), run(0, "sd", 90.0)])
    assert (verdict.mean_difference, verdict.pairs[0].difference) == (None, None)
    assert verdict.headline == NOTHING
    assert verdict.warnings[0].startswith(
        "1 run ended without a value, which leaves out 1 seed: the baseline, seed 0, has no value after its last epoch."
    )


def test_time_is_told_beside_what_skipping_can_save() -> None:
    verdict = verdict_of(pair(0, 0.0, step=0.08))
    assert verdict.time_sentence == (
        "The median step took 0.80 of the baseline's time (one pair); 0.75 of the compute was left, so skipping can "
        "save at most 25 %, and saved 20 %: 80 % of the ideal saving."
    )
    assert verdict.time_saved is not None
    assert verdict.time_saved.mean == pytest.approx(20.0)
    assert verdict.times_explained


def test_a_ratio_that_skipping_cannot_explain_is_called_so() -> None:
    verdict = verdict_of(pair(0, 0.0, step=0.067))
    assert "took 0.67 of the baseline's time" in verdict.time_sentence
    assert "Skipping cannot explain that" in verdict.time_sentence
    assert "saved 33" not in verdict.time_sentence
    assert (verdict.time_saved, verdict.times_explained) == (None, False)
    assert verdict.tiles[1].remark == "not explained by skipping"
    assert verdict.mean_time_ratio == pytest.approx(0.67)


def test_a_step_that_stochastic_depth_cannot_have_slowed_so_much_is_called_so_too() -> None:
    verdict = verdict_of(pair(0, 0.0, step=0.139))
    assert "Skipping cannot explain that: something else slowed the steps of one of the two" in verdict.time_sentence
    assert verdict.time_saved is None


def test_pairs_whose_ratios_scatter_claim_no_saving() -> None:
    verdict = verdict_of([*pair(0, 0.0, step=0.075), *pair(1, 0.0, step=0.12)])
    assert verdict.time_ratio is not None
    assert verdict.time_ratio.low is not None
    assert verdict.time_ratio.low > 0, "no time is negative"
    assert "What it saved cannot be told from chance: the ratio's 95 % interval contains 1." in verdict.time_sentence
    assert "saved nothing" not in verdict.time_sentence


def test_one_such_pair_among_others_is_named() -> None:
    verdict = verdict_of([*pair(4, 0.0, step=0.05), *pair(7, 0.0, step=0.09)])
    assert "Skipping cannot explain the ratio of seed 4" in verdict.time_sentence
    assert verdict.time_saved is None


@pytest.mark.parametrize(
    ("step", "said"), [(0.073, "and saved all of that."), (0.0999, "and saved nothing here."), (0.11, "saved nothing")]
)
def test_savings_are_never_told_to_be_more_than_there_is_to_save(step: float, said: str) -> None:
    assert said in verdict_of(pair(0, 0.0, step=step)).time_sentence


def test_where_nothing_is_skipped_nothing_is_said_to_be_saved() -> None:
    verdict = verdict_of(pair(0, 0.0, step=0.103, compute=1.0))
    assert verdict.time_sentence == (
        "The median step took 1.03 of the baseline's time (one pair); no compute was skipped."
    )
    faster = verdict_of(pair(0, 0.0, step=0.08, compute=1.0))
    assert "Skipping cannot explain that" in faster.time_sentence


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"device": "cpu (B)"}, "the runs were trained on cpu (A) and on cpu (B)"),
        ({"threads": 1}, "the runs were trained with 2 threads and with 1 thread"),
        ({"versions": {"torch": "2.15"}}, "the runs were trained with torch 2.14 and with torch 2.15"),
        ({"versions": {}}, "the runs were trained with torch 2.14 and with an unknown version of torch"),
    ],
)
def test_times_of_different_circumstances_are_not_compared(changes: dict[str, Any], reason: str) -> None:
    other = MACHINE.model_copy(update=changes)
    verdict = verdict_of(pair(3, 0.0, machines=[other]))
    assert verdict.time_sentence == f"Times are not compared. Seed 3: {reason}."
    assert (verdict.mean_time_ratio, verdict.time_ratio, verdict.pairs[0].time_ratio) == (None, None, None)


def test_times_of_a_run_that_moved_or_that_nobody_timed_are_not_compared() -> None:
    moved = [MACHINE, MACHINE.model_copy(update={"device": "cpu (B)"})]
    assert "one of the runs was trained on cpu (A) and on cpu (B) in turn" in (
        verdict_of(pair(0, 0.0, machines=moved)).time_sentence
    )
    assert "it is not recorded on what a run was trained" in verdict_of(pair(0, 0.0, machines=[])).time_sentence
    assert "too few steps" in verdict_of(pair(0, 0.0, step=None)).time_sentence


def test_pairs_that_cannot_be_compared_are_named_beside_those_that_can() -> None:
    verdict = verdict_of([*pair(0, 0.0), *pair(1, 0.0, machines=[])])
    assert "0.80 of the baseline's time (one pair)" in verdict.time_sentence
    assert verdict.time_sentence.endswith("Seed 1: it is not recorded on what a run was trained.")


def test_the_time_of_a_step_is_told_with_its_spread() -> None:
    assert step_text(Quartiles(median=0.0817, q1=0.079, q3=0.10512, n=9)) == "81.7 ms (79 to 105)"
    assert step_text(Quartiles(median=1.5, q1=1.25, q3=100.0, n=9)) == "1.5 s (1.25 to 100)"
    assert step_text(None) == "–"


WATCHED = Plan(stopping=Stopping.SEQUENTIAL)


def test_a_plan_that_looks_after_each_seed_has_no_interval_but_its_own() -> None:
    """Student's would leave out 0 here, which the plan does not yet."""
    runs = [one for seed, difference in enumerate((-43.0, -42.0, -44.0)) for one in pair(seed, difference)]
    verdict = verdict_of(runs, Design(plan=WATCHED))
    assert (verdict.conclusion, verdict.tiles[0].remark) == ("undecided", "no 95 % interval is bounded yet, 3 seeds")
    assert verdict.last_top1 is not None
    assert (verdict.last_top1.low, verdict.last_top1.excludes_zero) == (None, False)
    assert "no interval, for the plan looks after each seed, 3 seeds" in verdict.sentences[1]
    told = verdict.model_dump_json(include={"headline", "tiles", "sentences"})
    assert told.count("interval is bounded yet") == 3
    assert "95 % interval " not in told.replace("no 95 % interval is", "")


def test_the_interval_of_what_the_plan_is_about_is_the_plans_everywhere() -> None:
    runs = [one for seed, difference in enumerate((-0.3, -0.1, -0.2, 0.1)) for one in pair(seed, difference)]
    plan = Plan(question=Question.NON_INFERIORITY, margin=0.5, confidence=0.9)
    verdict = verdict_of(runs, Design(plan=plan))
    assert verdict.tiles[0].remark == f"{verdict.contrasts[0].interval_text}, each end with 90 %, 4 seeds"
    assert verdict.last_top1 is not None
    assert verdict.last_top1.low == verdict.contrasts[0].low


def test_speeds_are_of_the_seeds_that_count() -> None:
    """Of seed 1 the third arm is still missing."""
    runs = [run(0, "a", 90.0, compute=1.0), run(0, "b", 90.0, step=0.08), run(0, "c", 90.0)]
    runs += [run(1, "a", 90.0, compute=1.0), run(1, "b", 90.0, step=0.04)]
    speed = verdict_of(runs, Design(arms=("a", "b", "c"))).contrasts[0].speed
    assert speed.time_ratio is not None
    assert (speed.time_ratio.n, speed.time_ratio.mean) == (1, pytest.approx(0.8))
