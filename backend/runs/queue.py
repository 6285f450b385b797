"""The queue: first come, first served, by the time of the launch.

A run that is queued again, because it crashed, made way, lost its worker or was resumed, has its old place: so the runs
of an earlier comparison come before whatever was launched later. Of a sequential comparison one run trains at a time,
and the next one's place is kept while the one before ends. Who cannot start for a while (the one before is paused, or
rests after a crash) keeps nobody from going first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, aliased

from backend.db.clock import service_now
from backend.db.tables import Comparison, Ringing, Run
from worker.contract.status import Desired, RunStatus

#: The mode of a comparison whose runs are trained one at a time.
SEQUENTIAL = "sequential"
#: Those of one comparison were launched a microsecond apart.
IN_ORDER = (Run.created_at, Run.id)

_LIVE = [status for status in RunStatus if status.is_live]
_FINAL = [status for status in RunStatus if status.is_final]


@dataclass(frozen=True)
class InLine:
    """A queued run that may start, but for `behind`: live runs that have to end first."""

    run: Run
    ringing: Ringing | None
    behind: frozenset[str]
    #: The sequential comparison that it is of.
    sequence: str | None


def line(session: Session, *, limit: int) -> list[InLine]:
    """Who is next, in order: chosen in SQL, since hundreds may wait for the one before. What is passed over, because
    nobody answered its rings, is not in it."""
    previous, now = aliased(Run), service_now(session)
    is_next = or_(previous.id.is_(None), previous.status.in_([*_FINAL, *_LIVE]))
    is_rested = or_(Run.not_before.is_(None), Run.not_before <= now)
    is_passed_over = (Ringing.attempt == Run.attempt) & (Ringing.passed_over_until > now)
    found = select(Run, Ringing, previous.status, Comparison.mode)
    joined = found.outerjoin(previous, previous.id == Run.after_id).outerjoin(Ringing, Ringing.run_id == Run.id)
    queued = joined.outerjoin(Comparison, Comparison.id == Run.comparison_id).where(
        Run.status == RunStatus.QUEUED, Run.desired == Desired.RUN
    )
    startable = queued.where(is_next, is_rested, func.coalesce(is_passed_over, False).is_(False))
    rows = session.execute(startable.order_by(*IN_ORDER).limit(limit)).all()
    trained = trained_now(session, [run.comparison_id for run, *_ in rows])
    return [_in_line(*row, trained.get(row[0].comparison_id, ())) for row in rows]


def _in_line(run: Run, ringing: Ringing | None, before: str | None, mode: str | None, trained: Iterable[Run]) -> InLine:
    behind = {one.id for one in trained}
    if run.after_id is not None and before in _LIVE:
        behind.add(run.after_id)
    return InLine(run, ringing, frozenset(behind), sequence=run.comparison_id if mode == SEQUENTIAL else None)


def head(session: Session) -> Run | None:
    """The run that is next of all, if it waits for nothing but a device."""
    first = line(session, limit=1)
    return first[0].run if first and not first[0].behind else None


def may_start(session: Session, run: Run) -> bool:
    """Is its pause after a crash over, the run final that it comes after, and no other of its sequence trained?"""
    if run.not_before is not None and run.not_before > service_now(session):
        return False
    previous = session.get(Run, run.after_id) if run.after_id is not None else None
    if previous is not None and not RunStatus(previous.status).is_final:
        return False
    return not trained_now(session, [run.comparison_id])


def trained_now(session: Session, comparisons: Collection[str | None]) -> dict[str | None, list[Run]]:
    """The live runs of each of these comparisons that is sequential."""
    found: dict[str | None, list[Run]] = defaultdict(list)
    ids = {comparison_id for comparison_id in comparisons if comparison_id is not None}
    if ids:
        live = select(Run).join(Comparison, Comparison.id == Run.comparison_id).where(Run.status.in_(_LIVE))
        for run in session.execute(live.where(Comparison.id.in_(ids), Comparison.mode == SEQUENTIAL)).scalars():
            found[run.comparison_id].append(run)
    return found
