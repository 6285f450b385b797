"""What an attempt's end means for its run: the last message, decided from what was wanted and what was seen."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

from worker.contract.status import Desired
from worker.jobs.wire import Ended, Outcome


@dataclass(frozen=True)
class Observed:
    """How the training process ended, as its supervisor saw it."""

    desired: Desired
    #: The trainer's last word, if it had one.
    ended: Ended | None
    exit_status: int
    #: From which a next attempt goes on.
    checkpoint_step: int
    worker_closes: bool = False
    #: Why it had to make way, though it is wanted.
    evicted: str | None = None
    #: It was asked to pause or stop, did not answer in time and was ended.
    overstayed: bool = False
    #: It made no step for too long and was ended.
    stalled_seconds: float | None = None
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class LastWord:
    """A final message of the contract without its envelope."""

    kind: str
    body: dict[str, Any]


def last_word(seen: Observed) -> LastWord:
    """Reads top to bottom: a finished training wins over any wish, a wish over a crash."""
    tail = list(seen.log_tail)
    if seen.ended is not None and seen.ended.outcome is Outcome.COMPLETED:
        return LastWord("completed", {"step": seen.ended.step, "elapsed_seconds": seen.ended.elapsed_seconds})
    if seen.ended is not None and seen.ended.outcome is Outcome.FAILED:
        return LastWord("failed", {"reason": seen.ended.reason, "log_tail": tail})
    if seen.ended is not None and seen.ended.outcome is Outcome.UNSAVED:
        return _without_checkpoint(seen, seen.ended.reason)
    if seen.ended is not None or seen.overstayed:
        return _as_asked(seen, step=seen.ended.step if seen.ended else seen.checkpoint_step)
    return LastWord("released", {"reason": _crash(seen), "crashed": True, "log_tail": tail})


def _as_asked(seen: Observed, *, step: int) -> LastWord:
    """A wish that became `run` again while the trainer was pausing is still answered: the controller queues it then."""
    was_stopped = seen.ended is not None and seen.ended.outcome is Outcome.STOPPED
    if seen.desired is Desired.STOP or was_stopped:
        return LastWord("stopped", {"reason": f"stopped on request; it can be resumed from step {step}"})
    if seen.worker_closes and seen.desired is Desired.RUN:
        return LastWord("released", {"reason": "its worker was shut down", "crashed": False})
    if seen.evicted is not None and seen.desired is Desired.RUN:
        reason = f"paused after step {step}: {seen.evicted}; it goes on by itself when there is room"
        return LastWord("released", {"reason": reason, "crashed": False})
    return LastWord("paused", {"step": step})


def _without_checkpoint(seen: Observed, refusal: str) -> LastWord:
    """It goes on from the checkpoint before. What had no other reason to end is a crash, lest it be tried for ever."""
    step = seen.checkpoint_step
    if seen.desired is Desired.STOP:
        return LastWord("stopped", {"reason": f"stopped on request; it can be resumed from step {step}: {refusal}"})
    if seen.desired is Desired.PAUSE:
        return LastWord("paused", {"step": step, "reason": refusal})
    crashed = not seen.worker_closes and seen.evicted is None
    reason = f"{seen.evicted}; {refusal}" if seen.evicted else refusal
    return LastWord("released", {"reason": f"{reason}; it goes on after step {step}", "crashed": crashed})


def _crash(seen: Observed) -> str:
    if seen.stalled_seconds is not None:
        return f"the training process made no step for {seen.stalled_seconds:g} s and was ended"
    if seen.exit_status < 0:
        return f"the training process was killed by {_signal_name(-seen.exit_status)}"
    return f"the training process ended without a word, with exit status {seen.exit_status}"


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"{name} (probably out of memory)" if number == signal.SIGKILL else name
