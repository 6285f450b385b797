"""Long names are shortened where they are alike, so that what tells runs apart stays to be seen."""

from __future__ import annotations

import pytest

from tests.frontend.conftest import Run

pytestmark = pytest.mark.browser

LONG = "imagenet-a-very-long-campaign-name-that-goes-on ResNet-50"


def shortened(run: Run, names: list[str]) -> list[str]:
    return [str(name) for name in run("run-names", "(m, names) => [...m.shortened(names).values()]", names)]


def test_short_names_stay_whole(run: Run) -> None:
    names = ["digits ResNet-20 · baseline", "digits ResNet-20 · SD"]
    assert shortened(run, names) == names


def test_what_all_begin_with_is_left_out(run: Run) -> None:
    ends = [f"{arm} · seed {seed}" for seed in range(3) for arm in ("baseline", "stochastic depth")]
    assert shortened(run, [f"{LONG} · {end}" for end in ends]) == [f"…{end}" for end in ends]


def test_so_is_what_all_end_with(run: Run) -> None:
    names = [f"{LONG} lr {lr} with the recipe of last week, run again" for lr in ("0.1", "0.2")]
    assert shortened(run, names) == ["…0.1 …", "…0.2 …"]


def test_a_name_alone_is_cut_in_its_middle(run: Run) -> None:
    (shown,) = shortened(run, [f"{LONG} · seed 4"])
    assert shown == "imagenet-a-very-l…sNet-50 · seed 4"
    assert len(shown) == 34


def test_what_would_look_alike_is_cut_less(run: Run) -> None:
    names = [f"{'x' * 60}{middle}{'y' * 60}" for middle in "ab"]
    shown = shortened(run, names)
    assert len(set(shown)) == 2
    assert all(text.startswith("xxxx") and text.endswith("yyyy") for text in shown)
    assert shortened(run, ["x" * 200]) == ["x" * 17 + "…" + "x" * 16]


@pytest.mark.parametrize("name", ["", " ", "···", "数字" * 30, "👩‍👩‍👧" * 30, "a" * 200])
def test_any_name_is_shown(run: Run, name: str) -> None:
    for names in ([name], [name, f"{name} copy"], [name, "other"]):
        shown = shortened(run, names)
        assert len(set(shown)) == len(names)


def member(number: int, name: str, *, arm: str | None = None, comparison: str | None = None) -> dict[str, object]:
    return {"id": f"r_{number}", "name": name, "arm": arm, "comparison_id": comparison, "config": {"seed": number}}


def test_runs_of_one_comparison_are_called_by_arm_and_seed_and_others_by_name(run: Run) -> None:
    labels = "(m, runs) => [...m.labelsOf(runs).values()]"
    pair = [member(1, "a", arm="baseline", comparison="c_1"), member(2, "b", arm="sd", comparison="c_1")]
    assert run("run-names", labels, pair) == ["Baseline · seed 1", "Stochastic depth · seed 2"]
    assert run("run-names", labels, [*pair, member(3, "c", arm="sd", comparison="c_2")]) == ["a", "b", "c"]
    assert run("run-names", labels, [member(1, "same"), member(2, "same"), member(3, "c")]) == [
        "same · r_1",
        "same · r_2",
        "c",
    ]
