"""The change counter: every transaction that changes what a page shows takes the next number."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.db.tables import Change, ChangeCounter


def next_change(session: Session) -> int:
    """This transaction's number: taken once, the same at every further call within it.

    Updating the counter's row holds it until the commit, so numbers become visible in their order.
    """
    taken = session.info.get("change")
    if taken is None:
        statement = update(ChangeCounter).values(value=ChangeCounter.value + 1).returning(ChangeCounter.value)
        taken = session.info["change"] = session.execute(statement).scalar_one()
    return int(taken)


def current_change(session: Session) -> int:
    return session.execute(select(ChangeCounter.value)).scalar_one()


def note_change(session: Session, kind: str, subject: str, detail: dict[str, Any] | None = None) -> int:
    """Records for the live stream that this transaction changed `subject` (a run or a comparison)."""
    number = next_change(session)
    noted: set[tuple[str, str]] = session.info.setdefault("noted", set())
    if detail or (kind, subject) not in noted:
        noted.add((kind, subject))
        session.add(Change(number=number, kind=kind, subject=subject, detail=detail or {}))
    return number
