"""Arms are drawn as means only of what can be compared, and over how many seeds is said."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frontend.conftest import Run

pytestmark = pytest.mark.browser


def members(**seeds: list[int]) -> list[dict[str, Any]]:
    return [
        {"id": f"{arm}{seed}", "comparison_id": "c_1", "arm": arm, "status": "completed", "config": {"seed": seed}}
        for arm, found in seeds.items()
        for seed in found
    ]


def told(run: Run, runs: list[dict[str, Any]]) -> Any:
    """Whether the arms have the same seeds, and what is said where those that have completed differ."""
    call = "(m, runs) => { const arms = m.armsOf(runs); "
    call += "return arms && [m.haveSameSeeds(runs, arms), m.unevenSeeds(runs, arms)]; }"
    return run("arm-lines", call, runs)


def test_arms_of_the_same_seeds_can_be_compared_by_their_means(run: Run) -> None:
    assert told(run, members(baseline=[0, 10, 2], sd=[2, 10, 0])) == [True, ""]


def test_arms_of_other_seeds_cannot(run: Run) -> None:
    same, said = told(run, members(baseline=[0, 1, 2, 5], sd=[0]))
    assert not same
    assert "(Baseline 0-2, 5; Stochastic depth 0)" in said


def test_what_has_not_completed_is_in_no_mean_of_whole_runs(run: Run) -> None:
    runs = members(baseline=[0, 1], sd=[0, 1])
    runs[-1]["status"] = "running"
    same, said = told(run, runs)
    assert same
    assert "Stochastic depth 0)" in said


@pytest.mark.parametrize(
    "runs",
    [
        members(baseline=[0], sd=[0]),
        [one | {"arm": None} for one in members(baseline=[0, 1])],
        [*members(baseline=[0, 1], sd=[0, 1]), *[one | {"comparison_id": "c_2"} for one in members(sd=[2])]],
    ],
)
def test_where_nothing_can_be_folded_there_are_no_arms(run: Run, runs: list[dict[str, Any]]) -> None:
    assert told(run, runs) is None


def test_a_legend_says_over_how_many_seeds_its_means_are(run: Run) -> None:
    words = "(m, counts) => m.seedWords(counts)"
    assert run("charts", words, [5, 5]) == {"note": "mean of 5 seeds", "each": ["", ""]}
    assert run("charts", words, [3, 1]) == {"note": "", "each": [" (3 seeds)", " (1 seed)"]}
    assert run("charts", words, []) == {"note": "", "each": []}


def test_a_mean_is_over_the_seeds_that_have_come_as_far_as_its_last_value(run: Run) -> None:
    count = "(m, [series, chart, runs]) => m.seedsTold(series, chart, runs)"
    series = {"values": [1, 2, None], "counts": [3, 2, 0]}
    assert run("charts", count, [series, {}, []]) == 2
    whole = {"result": ["compute", "mean"]}
    assert run("charts", count, [series, whole, [{"results": {"compute": 1}}, {"results": {}}]]) == 1
