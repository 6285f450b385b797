from __future__ import annotations

from typing import Any

import pytest

from worker.contract.messages import CheckpointRef
from worker.contract.status import Desired
from worker.jobs.ending import LastWord, Observed, last_word
from worker.jobs.retention import Retention
from worker.jobs.wire import Ended, Outcome

PAUSED = Ended(outcome=Outcome.PAUSED, step=7)
STOPPED = Ended(outcome=Outcome.STOPPED, step=7)


def word(**seen: Any) -> LastWord:
    observed = {"desired": Desired.RUN, "ended": None, "exit_status": 0, "checkpoint_step": 5}
    return last_word(Observed(**(observed | seen)))


@pytest.mark.parametrize("desired", Desired)
def test_a_finished_training_wins_over_any_wish(desired: Desired) -> None:
    done = Ended(outcome=Outcome.COMPLETED, step=9, elapsed_seconds=3.0)
    assert word(desired=desired, ended=done, worker_closes=True).kind == "completed"
    failed = Ended(outcome=Outcome.FAILED, reason="no memory")
    said = word(desired=desired, ended=failed, log_tail=("a", "b"))
    assert said == LastWord("failed", {"reason": "no memory", "log_tail": ["a", "b"]})


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        ({"desired": Desired.PAUSE, "ended": PAUSED}, "paused"),
        ({"desired": Desired.RUN, "ended": PAUSED}, "paused"),
        ({"desired": Desired.PAUSE, "ended": PAUSED, "worker_closes": True}, "paused"),
        ({"desired": Desired.RUN, "ended": PAUSED, "worker_closes": True}, "released"),
        ({"desired": Desired.STOP, "ended": PAUSED}, "stopped"),
        ({"desired": Desired.STOP, "ended": STOPPED, "worker_closes": True}, "stopped"),
        ({"desired": Desired.PAUSE, "exit_status": -9}, "released"),
    ],
)
def test_the_last_word_is_what_was_asked_for(seen: dict[str, Any], kind: str) -> None:
    assert word(**seen).kind == kind


def test_a_trainer_that_did_not_answer_goes_on_from_its_last_checkpoint() -> None:
    said = word(desired=Desired.PAUSE, exit_status=-9, overstayed=True)
    assert said == LastWord("paused", {"step": 5})
    said = word(exit_status=-9, overstayed=True, worker_closes=True)
    assert said.body["crashed"] is False


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"exit_status": -9}, "killed by SIGKILL (probably out of memory)"),
        ({"exit_status": -11}, "killed by SIGSEGV"),
        ({"exit_status": 3}, "ended without a word, with exit status 3"),
        ({"exit_status": 0}, "ended without a word, with exit status 0"),
        ({"exit_status": -9, "stalled_seconds": 600.0}, "made no step for 600 s"),
    ],
)
def test_a_crash_says_how_it_looked(seen: dict[str, Any], reason: str) -> None:
    said = word(**seen, log_tail=("last line",))
    assert said.kind == "released"
    assert said.body["crashed"] is True
    assert reason in said.body["reason"]
    assert said.body["log_tail"] == ["last line"]


def ref(step: int, *, best: bool = False) -> CheckpointRef:
    return CheckpointRef(root_id="root", path=f"earlier-{step}", step=step, best=best)


def test_the_newest_two_in_sql_and_the_best_are_kept() -> None:
    kept = Retention([], newest=2)
    for seq, (path, best) in enumerate([("a", True), ("b", False), ("c", False), ("d", False), ("e", False)], start=1):
        kept.note_saved(path, best=best, seq=seq)
    assert kept.take_surplus(acknowledged_through=3) == []
    assert kept.take_surplus(acknowledged_through=4) == ["b"]
    assert kept.take_surplus(acknowledged_through=4) == []
    assert kept.take_surplus(acknowledged_through=5) == ["c"]


def test_a_better_one_replaces_the_best() -> None:
    kept = Retention([ref(30), ref(20), ref(10, best=True)], newest=2)
    kept.note_saved("own-40", best=False, seq=1)
    assert kept.take_surplus(acknowledged_through=1) == ["earlier-20"]
    kept.note_saved("own-50", best=True, seq=2)
    assert kept.take_surplus(acknowledged_through=2) == ["earlier-10", "earlier-30"]


def test_nothing_goes_before_an_own_checkpoint_is_in_sql() -> None:
    kept = Retention([ref(30), ref(20), ref(10)], newest=2)
    assert kept.take_surplus(acknowledged_through=9) == []
    kept.note_saved("own-40", best=False, seq=10)
    assert kept.take_surplus(acknowledged_through=9) == []
    assert kept.take_surplus(acknowledged_through=10) == ["earlier-10", "earlier-20"]


def test_a_damaged_checkpoint_does_not_count_as_one() -> None:
    kept = Retention([ref(30, best=True), ref(20), ref(10)], newest=2)
    kept.note_damaged("earlier-30")
    kept.note_saved("own-21", best=False, seq=1)
    assert kept.take_surplus(acknowledged_through=1) == ["earlier-10", "earlier-30"]


ROOM = "the disk of /files has 1.0 MB of 16.0 MB free, 5.4 MB are needed"
REFUSED = "checkpoint step-9.pt cannot be written: No space left on device"


def test_a_run_that_makes_way_is_queued_again_with_the_reason() -> None:
    said = word(ended=Ended(outcome=Outcome.PAUSED, step=9), evicted=ROOM)
    assert (said.kind, said.body["crashed"]) == ("released", False)
    assert said.body["reason"] == f"paused after step 9: {ROOM}; it goes on by itself when there is room"


@pytest.mark.parametrize(
    ("seen", "kind", "body"),
    [
        ({"desired": Desired.PAUSE}, "paused", {"step": 5, "reason": REFUSED}),
        ({"desired": Desired.STOP}, "stopped", {}),
        ({"evicted": ROOM}, "released", {"crashed": False}),
        ({"worker_closes": True}, "released", {"crashed": False}),
        ({}, "released", {"crashed": True}),
    ],
)
def test_without_its_checkpoint_a_run_goes_on_from_the_one_before(
    seen: dict[str, Any], kind: str, body: dict[str, Any]
) -> None:
    said = word(ended=Ended(outcome=Outcome.UNSAVED, reason=REFUSED), checkpoint_step=5, **seen)
    assert said.kind == kind
    assert said.body | body == said.body
    assert REFUSED in said.body["reason"]
