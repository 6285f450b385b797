"""SQL that has lost commits: a backup was restored, or a power failure took what the disk had only promised to keep.

Everything is told after its commit. So whoever was told more than SQL knows, Redis by a key or a worker by what it
holds, proves that SQL has lost it, and SQL is the truth all the same: it takes numbers above those that were told, so
that its word is the newest again, and whoever trains by a grant that it does not know is outdone by a later attempt.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.controller.exits import leave
from backend.db.changes import note_change
from backend.db.clock import service_now
from backend.db.tables import Attempt, Run, RunEvent
from worker.contract.messages import Held, RunKey
from worker.contract.numbers import LARGEST_COUNTED
from worker.contract.status import Actor, RunStatus

REASON = "the database has lost what was last written of this run (an older backup, or a power failure)"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Told:
    """What somebody was told of a run: that it has this revision, and of this attempt whose it is and what has come."""

    revision: int
    attempt: int
    #: None where nobody was told to hold it.
    claim_id: str | None
    ingested_through: int
    desired: str | None = None

    @classmethod
    def by_key(cls, key: RunKey) -> Told:
        return cls(key.revision, key.attempt, key.claim_id, key.ingested_through, key.desired.value)

    @classmethod
    def by_holding(cls, held: Held) -> Told:
        claim_id = held.claim_id if held.is_granted else None
        # A greater one is that of the last word about a run that SQL lacked then.
        revision = held.revision if held.revision <= LARGEST_COUNTED else 0
        return cls(revision, held.attempt, claim_id, held.acknowledged_through)


def knows(session: Session, run: Run, told: Told) -> bool:
    """Has SQL all of it? To be asked in a transaction that begins after it was heard."""
    return told.revision <= run.revision and not _differs(run, told) and _knows_attempt(session, run, told)


def _differs(run: Run, told: Told) -> bool:
    """One revision says one thing."""
    if told.desired is None or told.revision != run.revision:
        return False
    return (told.desired, told.attempt, told.claim_id) != (run.desired, run.attempt, run.claim_id)


def _knows_attempt(session: Session, run: Run, told: Told) -> bool:
    if told.attempt != run.attempt:
        return told.attempt < run.attempt or told.attempt > LARGEST_COUNTED
    attempt = session.get(Attempt, (run.id, told.attempt))
    if told.claim_id is not None and (attempt is None or attempt.claim_id != told.claim_id):
        # Another one's by now: the key says whose, and whoever else trains it ends.
        return RunStatus(run.status).is_live
    return told.ingested_through <= (attempt.ingested_through if attempt is not None else 0)


def catch_up(session: Session, run: Run, told: Told) -> None:
    """Takes numbers above `told`, which SQL does not know."""
    log.error("run %s: %s; it goes on from what the database has", run.id, REASON)
    knew_attempt = _knows_attempt(session, run, told)
    run.revision = max(run.revision, told.revision)
    session.flush()
    if not knew_attempt:
        _begin_new_attempt(session, run, above=told.attempt)
    run.revision += 1
    run.change = note_change(session, "run", run.id)
    session.add(RunEvent(run_id=run.id, at=service_now(session), attempt=run.attempt, kind="notice", text=REASON))
    session.flush()


def _begin_new_attempt(session: Session, run: Run, *, above: int) -> None:
    """Outdoes whoever trains the attempt `above`, which may be one that SQL never made."""
    if RunStatus(run.status).is_live:
        leave(session, run, by=Actor.CONTROLLER, reason=REASON)
    if run.attempt > above:
        return
    run.attempt, run.ingested_through = above + 1, 0
    session.flush()
    if run.status == RunStatus.QUEUED:
        session.add(Attempt(run_id=run.id, attempt=run.attempt, created_at=service_now(session)))
