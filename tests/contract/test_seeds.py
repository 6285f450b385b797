"""Seeds as people write them: lists and ranges, and refusals that name value, limit and remedy."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contract.seeds import LARGEST_SEED, SeedsRefused, parse_seeds, seeds_of


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0", [0]),
        ("0-4", [0, 1, 2, 3, 4]),
        ("0, 2, 5-7", [0, 2, 5, 6, 7]),
        ("5-7 0;2,", [5, 6, 7, 0, 2]),
        (" 1 - 3 ,\t9 , ", [1, 2, 3, 9]),
        ("1\u20133", [1, 2, 3]),
        ("4-4", [4]),
        ("007", [7]),
        ("0\u00a01", [0, 1]),
        (str(LARGEST_SEED), [LARGEST_SEED]),
        (f"{LARGEST_SEED - 1}-{LARGEST_SEED}", [LARGEST_SEED - 1, LARGEST_SEED]),
        ("0-49", list(range(50))),
    ],
)
def test_lists_and_ranges_are_read_in_their_order(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


NEITHER = "is neither a whole number of 0 or more nor a range of them; write such as 0, 2, 5-7"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no seed is named; write whole numbers and ranges, such as 0, 2, 5-7"),
        ("  ", "no seed is named; write whole numbers and ranges, such as 0, 2, 5-7"),
        ("1,,2", f"seed '' {NEITHER}"),
        (", 1", f"seed '' {NEITHER}"),
        ("-1", f"seed '-1' {NEITHER}"),
        ("0, -1", f"seed '-1' {NEITHER}"),
        ("1.5", f"seed '1.5' {NEITHER}"),
        ("one", f"seed 'one' {NEITHER}"),
        ("0-", f"seed '0-' {NEITHER}"),
        ("0-2-4", f"seed '0-2-4' {NEITHER}"),
        ("0..4", f"seed '0..4' {NEITHER}"),
        ("1e3", f"seed '1e3' {NEITHER}"),
        ("0x10", f"seed '0x10' {NEITHER}"),
        ("\u0663", f"seed '\u0663' {NEITHER}"),
        ("a\u202eb", f"seed 'a\ufffdb' {NEITHER}"),
        ("x" * 5000, f"seed '{'x' * 37}...' {NEITHER}"),
        ("4-0", "the range 4-0 of seeds ends before it begins; write 0-4"),
        (str(LARGEST_SEED + 1), f"seed {LARGEST_SEED + 1} exceeds {LARGEST_SEED}; give that or less"),
        ("9" * 5000, f"seed {'9' * 37}... exceeds {LARGEST_SEED}; give that or less"),
        ("0-50", "51 seeds are named and a comparison has at most 50; name fewer"),
        ("0-999999999999", "1000000000000 seeds are named and a comparison has at most 50; name fewer"),
        ("1, 0-3", "seed 1 is named twice; leave one out"),
        ("5 5", "seed 5 is named twice; leave one out"),
    ],
)
def test_a_refusal_names_value_limit_and_remedy(text: str, sentence: str) -> None:
    with pytest.raises(SeedsRefused) as caught:
        parse_seeds(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("value", "seeds"), [("0-2", [0, 1, 2]), ([0, 2], [0, 2]), ([0, "2-3", "9"], [0, 2, 3, 9]), ([1.0], [1])]
)
def test_a_json_value_may_be_a_text_or_a_list(value: Any, seeds: list[int]) -> None:
    assert seeds_of(value) == seeds


@pytest.mark.parametrize(
    "value",
    [None, 3, True, {}, {"0": 1}, b"0", [], [None], [True], [-1], [0.5], [float("inf")], [[0]], [[0, 1]], [2**64]],
)
def test_any_other_json_value_is_refused(value: Any) -> None:
    with pytest.raises(SeedsRefused):
        seeds_of(value)


@given(st.lists(st.integers(0, LARGEST_SEED), min_size=1, max_size=50, unique=True))
def test_every_list_that_is_allowed_reads_as_itself(seeds: list[int]) -> None:
    assert seeds_of(seeds) == parse_seeds(", ".join(map(str, seeds))) == seeds


@given(st.text(alphabet="0123456789-\u2013,; ax.", max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(SeedsRefused):
        seeds = parse_seeds(text)
        assert seeds == list(dict.fromkeys(seeds))
        assert 0 <= min(seeds) <= max(seeds) <= LARGEST_SEED
