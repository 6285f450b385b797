"""Granting a claim: which of those that heard the ring may train."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.orm import Session

from backend.controller.workers import devices_taken
from backend.db.clock import service_now
from backend.db.tables import Attempt, Ringing, Run, Worker
from backend.runs.queue import may_start
from backend.runs.transitions import change_status
from worker.contract.messages import Claim
from worker.contract.status import Actor, Desired, RunStatus

#: Claims are repeated every 2 s; who said one so long ago may have given up since.
STALE_AFTER_SECONDS = 10.0


def grant(session: Session, run: Run, claim: Claim, *, age_seconds: float) -> None:
    """Gives the run to the claim if it may be trained now and nobody has it.

    The answer is the run's key, whatever it is: a claimant reads there that another one holds the run, that a newer
    attempt exists or that the run is not wanted any more.
    """
    if run.attempt != claim.attempt or age_seconds > STALE_AFTER_SECONDS:
        return
    if not _is_of_worker(session, claim):
        return
    if run.status != RunStatus.QUEUED or run.desired != Desired.RUN or not may_start(session, run):
        return
    if not change_status(session, run, to=RunStatus.STARTING, by=Actor.CONTROLLER, claim_id=claim.claim_id):
        return
    run.worker_id = claim.worker_id
    run.not_before = None
    session.execute(delete(Ringing).where(Ringing.run_id == run.id))
    devices_taken(session, run, claim.devices)
    attempt = session.get(Attempt, (run.id, run.attempt))
    if attempt is None:
        attempt = Attempt(run_id=run.id, attempt=run.attempt, created_at=service_now(session))
        session.add(attempt)
    attempt.claim_id = claim.claim_id


def _is_of_worker(session: Session, claim: Claim) -> bool:
    """Another start with the same identity may be a clone's; an earlier version does not say which it is."""
    worker = session.get(Worker, claim.worker_id)
    return worker is None or not claim.boot_id or claim.boot_id == worker.boot_id
