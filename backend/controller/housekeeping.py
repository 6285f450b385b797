"""What the controller writes down of itself, and what it throws away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from backend.db.changes import current_change
from backend.db.tables import Change, ControllerPulse, IdempotencyKey, Worker

#: A page that was away for more changes than these loads its view anew.
CHANGES_KEPT = 20_000
#: Answers to creating requests, and workers that are gone.
KEPT_FOR = timedelta(days=1)
_PULSE_ID = 1


def write_pulse(session: Session, *, set_aside: int) -> None:
    """Says that a round is finished, and how many more messages were set aside meanwhile."""
    pulse = session.get(ControllerPulse, _PULSE_ID)
    if pulse is None:
        pulse = ControllerPulse(id=_PULSE_ID, set_aside=0)
        session.add(pulse)
    pulse.seen_at = datetime.now(UTC)
    pulse.set_aside += set_aside


def prune(session: Session) -> None:
    """Runs now and then; nothing that a page shows at the moment is taken from it."""
    session.execute(delete(Change).where(Change.number <= current_change(session) - CHANGES_KEPT))
    yesterday = datetime.now(UTC) - KEPT_FOR
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < yesterday))
    session.execute(delete(Worker).where(Worker.gone.is_(True), Worker.seen_at < yesterday))
