"""What the controller writes down of itself, and what it throws away."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from backend.db.changes import current_change
from backend.db.clock import service_now
from backend.db.tables import Change, ControllerPulse, IdempotencyKey, LogLine, Worker

#: A page that was away for more changes than these loads its view anew.
CHANGES_KEPT = 20_000
LOG_LINES_KEPT = 5000
#: Answers to creating requests, and workers that are gone.
KEPT_FOR = timedelta(days=1)
_PULSE_ID = 1


def write_pulse(session: Session, *, set_aside: int, redis_refuses: str | None) -> None:
    """Says that a round is finished, how many more messages were set aside meanwhile, and why Redis takes no writes."""
    pulse = session.get(ControllerPulse, _PULSE_ID)
    if pulse is None:
        pulse = ControllerPulse(id=_PULSE_ID, set_aside=0)
        session.add(pulse)
    pulse.seen_at = service_now(session)
    pulse.set_aside += set_aside
    pulse.redis_refuses = redis_refuses


def prune(session: Session) -> None:
    """Runs now and then; nothing that a page shows at the moment is taken from it."""
    session.execute(delete(Change).where(Change.number <= current_change(session) - CHANGES_KEPT))
    yesterday = service_now(session) - KEPT_FOR
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < yesterday))
    _prune_logs(session)
    session.execute(delete(Worker).where(Worker.gone.is_(True), Worker.seen_at < yesterday))


def _prune_logs(session: Session) -> None:
    """Of each run whose log grew lately, the newest lines are kept."""
    grown = select(Change.subject).where(Change.kind == "log").distinct()
    for run_id in session.execute(grown).scalars().all():
        newest = select(LogLine.id).where(LogLine.run_id == run_id).order_by(LogLine.id.desc())
        last_too_many = session.execute(newest.offset(LOG_LINES_KEPT).limit(1)).scalar_one_or_none()
        if last_too_many is not None:
            session.execute(delete(LogLine).where(LogLine.run_id == run_id, LogLine.id <= last_too_many))
