"""What is the matter with the service: each finding names what is wrong, the value, the limit and the remedy."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.db.tables import ControllerPulse, Ringing, Run, SetAside
from backend.runs.queue import IN_ORDER
from worker.contract.status import RunStatus

#: What was set aside longer ago is told by the count alone.
SET_ASIDE_TOLD = timedelta(days=1)
_RUNS_NAMED = 3


class Finding(BaseModel):
    """`code` is for programs, `title` for a line of a page; `detail` says it in full, with the remedy."""

    code: str
    severity: Literal["error", "warning"]
    title: str
    detail: str


def error(code: str, title: str, detail: str) -> Finding:
    return Finding(code=code, severity="error", title=title, detail=detail)


def warning(code: str, title: str, detail: str) -> Finding:
    return Finding(code=code, severity="warning", title=title, detail=detail)


def find_in_sql(session: Session, *, now: datetime) -> list[Finding]:
    """What only the database tells."""
    return [*_unanswered(session, now), *_set_aside(session, now)]


def _unanswered(session: Session, now: datetime) -> list[Finding]:
    rung = select(Run, Ringing.unanswered).join(Ringing, (Ringing.run_id == Run.id) & (Ringing.attempt == Run.attempt))
    passed_over = rung.where(Run.status == RunStatus.QUEUED, Ringing.passed_over_until > now).order_by(*IN_ORDER)
    found = session.execute(passed_over).all()
    if not found:
        return []
    named = ", ".join(f"{run.name} ({run.id}, {count} times)" for run, count in found[:_RUNS_NAMED])
    others = f" and {len(found) - _RUNS_NAMED} more" if len(found) > _RUNS_NAMED else ""
    detail = (
        f"{named}{others}: offered to workers with a free device, and taken by none; other runs come first for a "
        "while, then it is offered again. The logs of the workers may tell why; a worker may have to be started anew"
    )
    return [error("runs_not_taken", "No worker takes a run", detail)]


def _set_aside(session: Session, now: datetime) -> list[Finding]:
    recent = SetAside.at > now - SET_ASIDE_TOLD
    kept, count = session.execute(select(func.count(), func.count().filter(recent)).select_from(SetAside)).one()
    if count == 0:
        return []
    last = session.execute(select(SetAside).order_by(SetAside.id.desc()).limit(1)).scalar_one()
    # Where all that are kept are recent, more of a day may have been there: only all together were counted.
    counted = session.execute(select(func.max(ControllerPulse.set_aside))).scalar_one() if count == kept else None
    detail = (
        f"{_how_many(count, counted or 0)} because nobody could read them, and held up nothing else; the last: "
        f"{last.why[:300]} (the table set_aside keeps the newest 1000)"
    )
    return [warning("set_aside", "Something unreadable was set aside", detail)]


def _how_many(recent: int, counted: int) -> str:
    what = "message or task was" if max(recent, counted) == 1 else "messages or tasks were"
    if counted <= recent:
        return f"{recent} {what} set aside within a day"
    return f"{counted} {what} set aside so far, at least {recent} of them within a day,"
