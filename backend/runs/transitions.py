"""The one place where a run's status changes: a compare-and-swap on (status, attempt), checked against the table."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from backend.db.changes import note_change
from backend.db.clock import service_now
from backend.db.tables import Attempt, Run, RunEvent
from backend.errors import Conflict
from worker.contract.status import Actor, Desired, RunStatus, is_allowed


def change_status(
    session: Session, run: Run, *, to: RunStatus, by: Actor, reason: str | None = None, claim_id: str | None = None
) -> bool:
    """Moves `run` to the status `to` if it still is what `run` says; False if somebody was faster.

    Entering `queued` and every exit that the controller forces out of a live status make attempt + 1, which fences
    off whoever held the run. Raises Conflict where the table of transitions has no such change for `by`.
    """
    before = RunStatus(run.status)
    if not is_allowed(before, to, by):
        raise Conflict(f"run {run.id} is {before.value}; it cannot become {to.value}")
    values = _values(run, before=before, to=to, by=by, reason=reason, claim_id=claim_id, now=service_now(session))
    values["change"] = note_change(session, "run", run.id)
    # Taken before the update, which the session carries over into `run` at once.
    old_attempt = run.attempt
    swap = update(Run).where(Run.id == run.id, Run.status == before.value, Run.attempt == run.attempt)
    if session.execute(swap.values(values)).rowcount != 1:  # type: ignore[attr-defined]
        return False
    session.refresh(run)
    _record(session, run, before=before, old_attempt=old_attempt)
    return True


def set_desired(session: Session, run: Run, desired: Desired) -> None:
    """Writes down what is wanted of the run; its holder reads it from the key, which needs a newer revision."""
    run.desired = desired.value
    run.revision += 1
    run.change = note_change(session, "run", run.id)
    wish = RunEvent(run_id=run.id, at=service_now(session), attempt=run.attempt, kind="wish", text=desired.value)
    session.add(wish)
    session.flush()


def _values(
    run: Run, *, before: RunStatus, to: RunStatus, by: Actor, reason: str | None, claim_id: str | None, now: datetime
) -> dict[str, Any]:
    fenced = to is RunStatus.QUEUED or (before.is_live and by is Actor.CONTROLLER)
    values: dict[str, Any] = {"status": to.value, "reason": reason, "revision": run.revision + 1}
    if fenced:
        values |= {"attempt": run.attempt + 1, "ingested_through": 0}
    if to is RunStatus.QUEUED:
        values |= {"desired": Desired.RUN.value, "queued_at": now, "finished_at": None}
    if to is RunStatus.STARTING:
        values |= {"claim_id": claim_id, "heard_at": now}
    elif not to.is_live:
        values |= {"claim_id": None, "worker_id": None}
    if to is RunStatus.RUNNING and run.started_at is None:
        values["started_at"] = now
    if to is RunStatus.PAUSED:
        values["desired"] = Desired.PAUSE.value
    if to is RunStatus.STOPPED:
        values["desired"] = Desired.STOP.value
    if to.is_final:
        values["finished_at"] = now
    return values


def _record(session: Session, run: Run, *, before: RunStatus, old_attempt: int) -> None:
    """Writes the history of the run, and closes or opens the attempts that this change ended or made."""
    now = service_now(session)
    event = RunEvent(run_id=run.id, at=now, attempt=run.attempt, kind="status", text=run.reason or "")
    event.before, event.after = before.value, run.status
    session.add(event)
    after = RunStatus(run.status)
    if before.is_live and not after.is_live:
        held = session.get(Attempt, (run.id, old_attempt))
        if held is not None:
            held.ended, held.ended_at = after.value, now
    if run.attempt != old_attempt:
        session.add(Attempt(run_id=run.id, attempt=run.attempt, created_at=now))
    session.flush()
