"""How a run leaves its worker: on to what is wanted of it, and after too many crashes to `failed`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.orm import Session

from backend.db.clock import service_now
from backend.db.tables import Run
from backend.runs.transitions import change_status
from worker.contract.status import Actor, Desired, RunStatus

#: So many crashes since the last checkpoint are not bad luck any more.
MAX_CRASHES = 5
#: The pause before the next try, by the number of crashes since the last checkpoint.
BACKOFF_SECONDS = (0, 2, 5, 15, 30)
LOG_LINES_SHOWN = 20

_WANTED = {Desired.RUN: RunStatus.QUEUED, Desired.PAUSE: RunStatus.PAUSED, Desired.STOP: RunStatus.STOPPED}


def leave(session: Session, run: Run, *, by: Actor, reason: str | None) -> None:
    """Takes a live run to where it is wanted: queued for another attempt, paused or stopped."""
    to = _WANTED[Desired(run.desired)]
    change_status(session, run, to=to, by=by, reason=reason)
    if to is RunStatus.QUEUED:
        run.not_before = None


def crash(session: Session, run: Run, *, by: Actor, reason: str, log_tail: Sequence[str]) -> None:
    """Counts a crash of a live run; it is tried again after a pause, until that has been too often."""
    run.crashes += 1
    if Desired(run.desired) is not Desired.RUN:
        leave(session, run, by=by, reason=reason)
    elif run.crashes >= MAX_CRASHES:
        # Whoever resumes it after this starts counting anew.
        run.crashes = 0
        text = f"{reason} ({MAX_CRASHES} crashes since the last checkpoint)"
        change_status(session, run, to=RunStatus.FAILED, by=by, reason=with_log(text, log_tail))
    else:
        leave(session, run, by=by, reason=reason)
        run.not_before = service_now(session) + timedelta(seconds=BACKOFF_SECONDS[run.crashes])


def with_log(reason: str, log_tail: Sequence[str]) -> str:
    if not log_tail:
        return reason
    return "\n".join([f"{reason}; the last lines of its log:", *log_tail[-LOG_LINES_SHOWN:]])
