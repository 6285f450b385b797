"""Carrying out what the judge found: live runs whose worker is lost go where they are wanted, with a new attempt."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.controller.exits import LOG_LINES_SHOWN, crash
from backend.controller.judge import Holder, Judge
from backend.controller.workers import mark_gone
from backend.db.portions import portions
from backend.db.session import Database
from backend.db.tables import LogLine, Run, Worker
from worker.contract.status import Actor, RunStatus

_LIVE = [status for status in RunStatus if status.is_live]


def judge_all(database: Database, judge: Judge, *, at: float) -> list[Run]:
    """Forces lost runs out of their live status and marks lost workers as gone; returns the runs."""
    with database.read() as session:
        live = select(Run.id, Run.attempt, Run.claim_id).where(Run.status.in_(_LIVE))
        holders = {Holder(run_id, attempt, claim_id or "") for run_id, attempt, claim_id in session.execute(live)}
        workers = session.execute(select(Worker.id).where(Worker.gone.is_(False))).scalars().all()
    lost = judge.lost(holders, at=at)
    silent = judge.silent_workers(workers, at=at)
    if silent:
        _mark_silent(database, silent)
    forced = [_force_out(database, holder, reason=reason) for holder, reason in lost.items()]
    return [run for run in forced if run is not None]


def _mark_silent(database: Database, silent: Sequence[str]) -> None:
    with database.write() as session:
        for portion in portions(silent):
            mark_gone(session, session.execute(select(Worker).where(Worker.id.in_(portion))).scalars())


def _force_out(database: Database, holder: Holder, *, reason: str) -> Run | None:
    """None where the run has moved on meanwhile."""
    with database.write() as session:
        run = session.get(Run, holder.run_id)
        if run is None or not RunStatus(run.status).is_live:
            return None
        if (run.attempt, run.claim_id or "") != (holder.attempt, holder.claim_id):
            return None
        crash(session, run, by=Actor.CONTROLLER, reason=reason, log_tail=_last_lines(session, run))
        return run


def _last_lines(session: Session, run: Run) -> list[str]:
    newest = select(LogLine.line).where(LogLine.run_id == run.id).order_by(LogLine.id.desc()).limit(LOG_LINES_SHOWN)
    return list(session.execute(newest).scalars())[::-1]
