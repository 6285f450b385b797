"""Image by image: the exact tests, the intervals, and which images and classes are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from worker.evidence.image_verdict import ImageContrast, Network, compare_images
from worker.evidence.images import consistent_images, pair_of_networks, seeds_and_images_interval
from worker.evidence.predictions import Predictions, PredictionsUnreadable, read_predictions

Bools = npt.NDArray[np.bool_]
TITLES = ("stochastic depth", "the baseline")
CLASSES = tuple("abcd")


def table(won: int, lost: int, both: int = 50, neither: int = 20) -> tuple[Bools, Bools]:
    reference = np.repeat([False, True, True, False], [won, lost, both, neither])
    arm = np.repeat([True, False, True, False], [won, lost, both, neither])
    return reference, arm


@pytest.mark.parametrize(("won", "lost"), [(12, 3), (5, 5), (1, 0), (0, 0), (400, 350)])
def test_mcnemars_p_is_statsmodels(won: int, lost: int) -> None:
    found = pair_of_networks(*table(won, lost), confidence=0.95)
    expected = mcnemar([[50, lost], [won, 20]], exact=True).pvalue if won + lost else 1.0
    assert (found.won, found.lost) == (won, lost)
    assert found.p == pytest.approx(expected)


def test_the_interval_of_a_pair_is_that_of_bonett_and_price() -> None:
    """Worked by hand: n = 100, 15 won and 5 lost: (16 - 6) / 102 +- 1.96 * sqrt((22/102 - (10/102)^2) / 102)."""
    found = pair_of_networks(*table(15, 5, both=60), confidence=0.95)
    assert found.difference == pytest.approx(10.0)
    assert (found.low, found.high) == pytest.approx((0.9942, 18.6136), abs=1e-3)


def test_images_that_are_all_judged_alike_leave_an_interval() -> None:
    found = pair_of_networks(*table(0, 0), confidence=0.95)
    assert found.low < 0 < found.high


def test_a_pairs_interval_covers_what_other_images_would_show() -> None:
    draws = np.random.default_rng(1)
    covered = 0
    for _ in range(2000):
        kind = draws.choice(4, p=[0.05, 0.03, 0.7, 0.22], size=400)
        found = pair_of_networks(np.isin(kind, (1, 2)), np.isin(kind, (0, 2)), confidence=0.95)
        covered += found.low <= 2.0 <= found.high
    assert 0.935 < covered / 2000 < 0.97


def test_the_variance_over_seeds_and_images_is_that_of_both_drawn_anew() -> None:
    """Half the width by Student's quantile, squared, is in the mean what the differences of 4,000 tables vary by."""
    draws = np.random.default_rng(2)
    means, estimated = [], []
    for _ in range(4000):
        reference, arm = table_of_both(draws, seeds=4, images=200)
        bounds = seeds_and_images_interval(reference, arm, 0.95)
        assert bounds is not None
        means.append(100 * float(arm.mean() - reference.mean()))
        estimated.append(((bounds[1] - bounds[0]) / 2 / 3.1824) ** 2)
    assert np.mean(estimated) == pytest.approx(np.var(means), rel=0.1)


@pytest.mark.parametrize("seeds", [2, 4, 8])
def test_the_interval_over_seeds_and_images_covers_the_difference_of_other_ones(seeds: int) -> None:
    """More than promised with few seeds, where the images vary most and Student's quantile is wider than they need."""
    draws = np.random.default_rng(3)
    covered = 0
    for _ in range(1000):
        bounds = seeds_and_images_interval(*table_of_both(draws, seeds=seeds, images=200), 0.95)
        assert bounds is not None
        covered += bounds[0] <= 0.0 <= bounds[1]
    assert 0.93 < covered / 1000 <= 0.995


def table_of_both(draws: np.random.Generator, *, seeds: int, images: int) -> tuple[Bools, Bools]:
    """Images that the arm has easier or harder, networks that are a little better or worse, and chance."""
    difficulty = draws.uniform(0.2, 0.8, images)
    advantage = draws.choice([-0.15, 0.15], images)
    first = draws.random((seeds, images)) < difficulty + draws.normal(0, 0.03, (seeds, 1))
    second = draws.random((seeds, images)) < difficulty + advantage + draws.normal(0, 0.03, (seeds, 1))
    return first, second


def test_images_without_a_difference_are_hardly_ever_named() -> None:
    """In each of 200 studies of 2,000 images and ten seeds; false discoveries are all there is, so any is an error."""
    draws = np.random.default_rng(4)
    named = 0
    for _ in range(200):
        difficulty = draws.random(2000)
        found = consistent_images(draws.random((10, 2000)) < difficulty, draws.random((10, 2000)) < difficulty)
        named += bool(found.won.any() or found.lost.any())
    assert named / 200 <= 0.05


def test_images_that_one_arm_always_gets_right_are_found() -> None:
    draws = np.random.default_rng(5)
    reference, arm = draws.random((10, 500)) < 0.5, draws.random((10, 500)) < 0.5
    reference[:, :40], arm[:, :40] = False, True
    reference[:, 40:60], arm[:, 40:60] = True, False
    found = consistent_images(reference, arm)
    assert found.won[:40].all()
    assert found.lost[40:60].all()
    assert found.won[60:].sum() + found.lost[60:].sum() <= 3


def test_three_seeds_single_out_no_image() -> None:
    reference, arm = np.zeros((3, 100), bool), np.ones((3, 100), bool)
    assert consistent_images(reference, arm).tested == 0


# What is told of several networks


def network(seed: int, arm: str, right: list[bool], *, labels: list[int] | None = None, **changes: Any) -> Network:
    labels = labels or [index % len(CLASSES) for index in range(len(right))]
    guesses = [[label if is_right else (label + 1) % 4] for label, is_right in zip(labels, right, strict=True)]
    told: dict[str, Any] = {
        "guesses": np.array(guesses),
        "labels": np.array(labels),
        "classes": CLASSES,
        "images": "these",
    }
    return Network(f"r_{seed}_{arm}", seed, Predictions(**told | changes))


def compared(reference: list[Network], arm: list[Network]) -> tuple[ImageContrast | None, list[str]]:
    return compare_images(reference, arm, confidence=0.95, titles=TITLES)


def test_one_pair_speaks_of_its_two_networks_alone() -> None:
    found, _ = compared(
        [network(0, "baseline", [True] * 90 + [False] * 10)],
        [network(0, "sd", [True] * 85 + [False] * 5 + [True] * 10)],
    )
    assert found is not None
    assert found.sentences == [
        "Of 100 validation images stochastic depth alone gets 10 right and the baseline alone 5: a difference of +5.00 "
        "points (95 % interval −2.96 to +12.77; McNemar's exact p = 0.3). This speaks of these two networks, and not "
        "of other seeds.",
        "Which images are won or lost consistently cannot be told from 1 seed; it takes 4 or more.",
    ]
    assert [image.index for image in found.most_won] == list(range(90, 100))
    assert [image.index for image in found.most_lost] == list(range(85, 90))
    assert found.most_won[0].run == "r_0_baseline"
    assert found.most_lost[0].run == "r_0_sd"


def test_images_and_classes_that_are_won_by_all_seeds_are_named() -> None:
    draws = np.random.default_rng(6)
    reference, arm = [], []
    for seed in range(6):
        first, second = draws.random(400) < 0.9, draws.random(400) < 0.9
        # All images of class b are won, but for a few.
        second[1::4], first[1::4] = draws.random(100) < 0.95, draws.random(100) < 0.02
        reference.append(network(seed, "baseline", first.tolist()))
        arm.append(network(seed, "sd", second.tolist()))
    found, left_out = compared(reference, arm)
    assert found is not None
    assert left_out == []
    assert [one.name for one in found.won_classes] == ["b"]
    assert found.lost_classes == []
    assert found.won_images > 80
    assert found.most_won[0].label == "b"
    assert (found.most_won[0].right, found.most_won[0].reference_right) == (6, 0)
    assert found.sentences[0].startswith("The two networks of a seed judge ")
    assert found.sentences[-1].startswith("Classes won consistently: b (+")


def test_seeds_without_predictions_or_with_other_images_are_left_out_and_named() -> None:
    plain = [True, False, True, True]
    reference = [network(seed, "baseline", plain) for seed in range(3)]
    arm = [
        network(0, "sd", plain),
        Network("r_1_sd", 1, None),
        network(2, "sd", plain, images="others"),
    ]
    found, left_out = compared(reference, arm)
    assert found is not None
    assert found.seeds == [0]
    assert left_out == [
        "seed 1: the predictions of a run were not kept, or are not on this machine",
        "seed 2: its networks were not measured on the same images",
    ]
    assert compared(reference[1:], arm[1:])[0] is None


def test_an_image_that_one_run_could_not_decode_has_its_class_from_another() -> None:
    broken = network(0, "baseline", [True, True, True, False], labels=[0, 1, 2, -100])
    found, _ = compared([broken], [network(0, "sd", [True] * 4)])
    assert found is not None
    assert (found.most_won[0].index, found.most_won[0].label) == (3, "d")


# The file


def test_a_file_that_is_none_or_not_whole_is_named(tmp_path: Path) -> None:
    one = network(0, "sd", [True, False, True, True]).predictions
    assert one is not None
    path = tmp_path / "predictions.npz"
    path.write_bytes(one.packed())
    assert np.array_equal(read_predictions(path).is_right, [True, False, True, True])
    for content in (one.packed()[:-30], b"nothing of the kind", b"", b"\x93NUMPY\x01\x00v\x00{'descr': '|O'"):
        path.write_bytes(content)
        with pytest.raises(PredictionsUnreadable, match=r"predictions\.npz is no file of predictions"):
            read_predictions(path)
