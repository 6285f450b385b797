"""Rings that a worker refused, because it is of another version: named on the run and on the worker."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.controller.workers import tell_of_workers
from backend.db.changes import note_change
from backend.db.tables import Ringing, Run, Worker
from worker.contract.messages import RingRefused


def note_refusal(session: Session, run: Run, message: RingRefused) -> None:
    """That start of the worker is not chosen for the run again."""
    worker = session.get(Worker, message.worker_id)
    if worker is None or worker.boot_id != message.boot_id:
        return
    worker.refusal = f"run {run.name} ({run.id}): {message.why}"
    tell_of_workers(session)
    note = ringing_of(session, run)
    refusal = {"boot_id": message.boot_id, "host": worker.host, "why": message.why}
    note.refusals = note.refusals | {message.worker_id: refusal}
    run.change = note_change(session, "run", run.id)


def ringing_of(session: Session, run: Run) -> Ringing:
    """What came of the rings of its present attempt; refusals are kept for later ones, too."""
    note = session.get(Ringing, run.id)
    if note is None:
        note = Ringing(run_id=run.id, attempt=run.attempt, unanswered=0, refusals={})
        session.add(note)
    elif note.attempt != run.attempt:
        note.attempt, note.unanswered, note.passed_over_until = run.attempt, 0, None
    return note
