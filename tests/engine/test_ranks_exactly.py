"""What only some of the ranks have, or what each has of its own, and yet must come back after a pause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.parts import InterruptAfter, Recorder, attempt, differences, final_state, run_to_end
from tests.engine.test_ranks import shared
from worker.contract.config import RunConfig
from worker.engine.outcome import Ending, TrainingDiverged
from worker.engine.ports import NullControl


def assert_a_pause_changes_nothing(config: RunConfig, folder: Path, *, questions: int) -> None:
    whole, parts = Recorder(), Recorder()
    run_to_end(config, folder / "whole", sink=whole)
    outcome = attempt(config, folder / "parts", sink=parts, control=InterruptAfter(questions))
    assert outcome.ending is Ending.PAUSED
    run_to_end(config, folder / "parts", sink=parts)
    assert parts.history() == whole.history()
    assert differences(final_state(folder / "parts"), final_state(folder / "whole")) == []


def test_the_average_is_evaluated_with_the_statistics_of_the_first_rank(tmp_path: Path) -> None:
    """Those of the other ranks differ, and no checkpoint has them."""
    assert_a_pause_changes_nothing(shared(2, accumulation=1, bn_reestimate=0), tmp_path, questions=4)


#: Eight images a micro-batch, of which the last block runs one in 20: a rank often has none of them.
SPARSE: dict[str, Any] = {"batch": 48, "sd_mode": "subset", "pL": 0.05, "bn_reestimate": 0}


@pytest.mark.parametrize("sd_dropped", ["zero", "frozen"])
def test_gradients_that_only_some_ranks_have_outlive_a_pause_between_micro_batches(
    tmp_path: Path, sd_dropped: str
) -> None:
    assert_a_pause_changes_nothing(shared(3, **SPARSE, sd_dropped=sd_dropped), tmp_path, questions=21)


def test_divergence_of_several_ranks_is_told_as_that_of_one(tmp_path: Path) -> None:
    config = shared(2, lr=100, weight_decay=1, warmup_epochs=0, epochs=10, bn_reestimate=0)
    with pytest.raises(TrainingDiverged, match="lower lr"):
        attempt(config, tmp_path, sink=Recorder(), control=NullControl())
