"""What is said of a run or a plan fits the state that it is in."""

from __future__ import annotations

import random
from typing import Any

import pytest

from backend.cli.run_text import results
from tests.frontend.conftest import Run
from worker.common.duration import duration

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("is_over", "said"),
    [(True, "None: the run ended before one was written."), (False, "None yet: one is written")],
)
def test_a_run_that_has_ended_gets_no_checkpoint_any_more(run: Run, is_over: bool, said: str) -> None:
    shown = run("components/run-records", "(m, isOver) => String(m.checkpoints('r_1', [], { isOver }))", is_over)
    assert said in shown


HEAD = """
({ createRunHeader }, given) => {
  const head = createRunHeader(given);
  head.update(given);
  return head.node.textContent.replaceAll(/\\s+/g, " ");
}
"""


def shown_head(run: Run, **changes: Any) -> str:
    given = {
        "id": "r_1", "name": "a run", "status": "running", "config": {"depth": 20, "dataset": "digits", "sd": False},
        "progress": {"epoch": 0.9, "epochs": 3, "step": 9, "steps": 30}, "results": {"train_loss": 2.13},
        "latest": {}, "tags": [], "notes": "", "warnings": [], "created_at": "2026-01-01T00:00:00Z",
    } | changes  # fmt: skip
    return str(run("components/run-header", HEAD, given))


@pytest.mark.parametrize(("epoch", "said"), [(0.9, "epoch 1 so far"), (1.5, "epoch 2 so far"), (2.0, "last epoch")])
def test_a_training_loss_names_its_epoch(run: Run, epoch: float, said: str) -> None:
    progress = {"epoch": epoch, "epochs": 3, "step": 9, "steps": 30}
    assert f"2.13{said}" in shown_head(run, progress=progress).replace("2.13 ", "2.13")
    told = results({"results": {"train_loss": 2.13}, "progress": progress})
    assert told == f"loss 2.13 in {'the ' if said == 'last epoch' else ''}{said}"


def test_a_failed_run_says_what_its_buttons_would_do(run: Run) -> None:
    told = "Resume trains on from the last checkpoint"
    assert told in shown_head(run, status="failed", reason="the loss stopped being finite")
    assert told not in shown_head(run, status="stopped")


def test_the_page_and_the_command_line_say_durations_alike(run: Run) -> None:
    rolled = random.Random(0)
    seconds = [
        0.0,
        0.25,
        9.94,
        9.95,
        59.5,
        178.6,
        3599.5,
        172_799.0,
        *(10 ** rolled.uniform(-2, 6) for _ in range(2000)),
    ]
    assert run("format", "(m, all) => all.map(m.duration)", seconds) == [duration(one) for one in seconds]


@pytest.mark.parametrize(
    ("seeds", "is_open", "said"),
    [
        (2, True, "2 of at most 3 seeds, more until the plan is decided"),
        (3, True, "3 seeds, the most that the plan allows"),
        (3, False, "3 seeds. The plan is decided."),
    ],
)
def test_a_sequential_plan_promises_no_more_seeds_than_it_has(run: Run, seeds: int, is_open: bool, said: str) -> None:
    comparison = {
        "arms": [{"name": "baseline"}, {"name": "sd"}],
        "seeds": list(range(seeds)),
        "plan": {"stopping": "sequential", "max_seeds": 3},
        "is_open": is_open,
        "ended_reason": None if is_open else "The plan is decided.",
    }
    told = run("components/comparison-page", "(m, comparison) => m.designOf(comparison)", comparison)
    assert told == f"Baseline against stochastic depth · {said}"
