"""Comparisons with a sequential plan: another seed while the plan is undecided, and no more when it is."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.compare.design import plan_of
from backend.compare.service import launch_seeds
from backend.compare.verdict import verdict_on
from backend.db.changes import note_change
from backend.db.clock import service_now
from backend.db.tables import Comparison, Run
from backend.errors import BadInput
from backend.runs.results import results_of
from worker.contract.design import next_seed, reason_to_end
from worker.contract.status import RunStatus
from worker.evidence.estimates import ScipyMissing

_log = logging.getLogger(__name__)


def go_on(session: Session) -> list[str]:
    """The ids of the runs that are launched. To be called now and then: it looks only at what is open.

    A comparison waits while one of its runs is not final. It ends with its decision, with its last seed, or where
    somebody stopped or deleted the runs of the last seed, which nobody does who wants more of them.
    """
    launched: list[str] = []
    for comparison in session.execute(select(Comparison).where(Comparison.is_open)).scalars():
        of_it = select(Run).where(Run.comparison_id == comparison.id).order_by(Run.created_at, Run.id)
        runs = session.execute(of_it).scalars().all()
        if all(RunStatus(run.status).is_final for run in runs):
            launched += [run.id for run in _step(session, comparison, runs)]
    return launched


def _step(session: Session, comparison: Comparison, runs: Sequence[Run]) -> Sequence[Run]:
    reason = _reason_to_end(session, comparison, runs)
    seed = next_seed([*(comparison.seeds or [0]), *(run.config["seed"] for run in runs)])
    made: Sequence[Run] = ()
    last = runs[-1] if runs else None
    if reason is None and seed is not None and last is not None:
        try:
            made = launch_seeds(session, comparison, [seed], at=service_now(session), tags=last.tags, notes=last.notes)
        except BadInput as error:
            reason = f"Its next seed cannot be launched: {error}."
    if reason is not None:
        comparison.is_open, comparison.ended_reason = False, reason
        _log.info("comparison %s has ended: %s", comparison.id, reason)
    comparison.change = note_change(session, "comparison", comparison.id)
    return made


def _reason_to_end(session: Session, comparison: Comparison, runs: Sequence[Run]) -> str | None:
    seeds = comparison.seeds or []
    last = [run for run in runs if seeds and run.config["seed"] == seeds[-1]]
    if not last:
        return "The runs of its last seed were deleted."
    if any(run.status == RunStatus.STOPPED for run in last):
        return "A run of its last seed was stopped."
    try:
        is_decided = verdict_on(comparison, runs, results_of(session, runs)).is_decided
    except (ScipyMissing, ValidationError) as error:
        # Of one comparison; the others and the controller go on.
        return f"It cannot be judged: {error}"
    return reason_to_end(plan_of(comparison), seeds, is_decided=is_decided)
