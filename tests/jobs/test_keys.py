"""What a worker takes for the key of a run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.jobs.courier import parse_key

KEY: dict[str, Any] = {"run_id": "r_1", "revision": 3, "desired": "pause", "attempt": 1}


def test_a_key_is_read_under_its_own_name() -> None:
    key = parse_key(json.dumps(KEY), run_id="r_1")
    assert key is not None
    assert key.revision == 3


def test_a_key_of_another_run_changes_nothing() -> None:
    assert parse_key(json.dumps(KEY), run_id="r_2") is None


@pytest.mark.parametrize("name", ["revision", "attempt", "ingested_through"])
def test_a_key_with_a_number_beyond_all_changes_nothing(name: str) -> None:
    """An attempt of 10**30 would end the training as outdone."""
    for number in (-1, 2**31, 10**30):
        assert parse_key(json.dumps(KEY | {name: number}), run_id="r_1") is None
