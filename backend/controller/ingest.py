"""Entries of the stream into SQL: many in one transaction, each message of an attempt in its order and once.

Of each attempt the highest sequence number without a gap is kept. What comes again is dropped, and so is what comes
after a gap: the worker sends it again. A message that cannot be handled is set aside, counts as handled, and takes
nothing else with it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from backend.controller.claims import grant
from backend.controller.disk_guard import note_storage
from backend.controller.handlers import Speaker, handle
from backend.controller.identities import Identities
from backend.controller.judge import Boot
from backend.controller.lost_commits import Told, catch_up, knows
from backend.controller.refusals import note_refusal
from backend.controller.set_aside import set_aside
from backend.controller.stream import Entry
from backend.controller.workers import devices_freed, worker_gone, worker_seen
from backend.db.portions import is_over_limit, portions
from backend.db.session import Database
from backend.db.tables import Attempt, Run
from backend.runs.results import refresh
from worker.contract.messages import (
    MESSAGE,
    Claim,
    Held,
    Message,
    MetricBatch,
    Point,
    RingRefused,
    RunId,
    Sequenced,
    Started,
    WorkerGone,
    WorkerKey,
    WorkerSeen,
)
from worker.contract.names import metric_name_fault
from worker.contract.numbers import Count
from worker.contract.status import RunStatus

#: How long one transaction may keep other writers waiting.
TRANSACTION_SECONDS = 0.25
#: Of the names that one message brings and that are not kept; a message may hold thousands.
_FAULTS_TOLD = 5
_ERROR_LENGTH = 1000
#: What says that the database is away or busy; but for a limit that a message exceeds.
DATABASE_AWAY = (OperationalError, InterfaceError)

log = logging.getLogger(__name__)


class Unreadable(BaseModel):
    """What is known of a message that the contract does not know, so that its number does not become a gap."""

    model_config = ConfigDict(extra="ignore")

    run_id: RunId
    attempt: Count
    claim_id: str
    seq: Annotated[Count, Field(ge=1)]


@dataclass(frozen=True)
class Parsed:
    """`message` is None where nothing can be told from the entry; `why` says why it is set aside."""

    entry: Entry
    message: Message | Unreadable | None
    why: str = ""


@dataclass
class Outcome:
    """What follows from entries that are committed. `entries` are those; they can be deleted from the stream."""

    entries: list[str] = field(default_factory=list)
    #: Runs that were spoken of; the answer is their key.
    runs: dict[str, Run] = field(default_factory=dict)
    #: The messages themselves, as signs of life.
    heard: list[Message] = field(default_factory=list)
    #: A device may have become free, or a run be queued: look at once for what can be rung.
    rings: bool = False
    set_aside: int = 0
    #: Which start has the identity of a worker, to be told to those that ask.
    workers: dict[str, WorkerKey] = field(default_factory=dict)
    #: Starts of workers of which nothing lives any more.
    ended: list[Boot] = field(default_factory=list)
    #: Runs that SQL doesn't have, with the latest attempt that speaks for each.
    unknown: dict[str, int] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        self.entries += other.entries
        self.runs |= other.runs
        self.heard += other.heard
        self.rings = self.rings or other.rings
        self.set_aside += other.set_aside
        self.workers |= other.workers
        self.ended += other.ended
        for run_id, attempt in other.unknown.items():
            self.note_unknown(run_id, attempt)

    def note_unknown(self, run_id: str, attempt: int) -> None:
        self.unknown[run_id] = max(attempt, self.unknown.get(run_id, 0))


def ingest(database: Database, parsed: Sequence[Parsed], identities: Identities) -> Outcome:
    """Commits the first of what was parsed, at least one, as many as a short transaction takes.

    Raises one of DATABASE_AWAY when the database is; nothing was committed then that would not be recognised when it
    comes again.
    """
    try:
        return _commit(database, parsed, identities)
    except Exception as error:
        # Whatever one message causes, the others have to come through.
        if _is_away(error):
            raise
        log.warning("a message among %d was refused (%s); taking them one by one", len(parsed), _said(error))
    outcome = Outcome()
    for item in parsed:
        outcome.add(_commit_alone(database, item, identities))
    return outcome


def _is_away(error: Exception) -> bool:
    """Is it the database, rather than what a message asks of it?"""
    return isinstance(error, DATABASE_AWAY) and not is_over_limit(error)


def _said(error: Exception) -> str:
    """Without the statement and its values, which may be megabytes."""
    return str(error.orig if isinstance(error, DBAPIError) else error)[:_ERROR_LENGTH]


def parse(entry: Entry) -> Parsed:
    # Postgres takes no NUL in a text, wherever in a message it stands.
    body = entry.body.replace("\\u0000", "\\ufffd")
    try:
        return Parsed(entry, MESSAGE.validate_json(body))
    except ValidationError as error:
        why = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False))
    try:
        # The standard library's reader, which takes more for JSON: whatever tells the number will do.
        return Parsed(entry, Unreadable.model_validate(json.loads(body)), why)
    except (ValueError, RecursionError):
        return Parsed(entry, None, why)


def _commit_alone(database: Database, item: Parsed, identities: Identities) -> Outcome:
    try:
        return _commit(database, [item], identities)
    except Exception as error:
        if _is_away(error):
            raise
        why = f"{type(error).__name__}: {_said(error)}"
        log.warning("entry %s is set aside: %s", item.entry.id, why)
    return _set_aside_alone(database, item, why, identities)


def _set_aside_alone(database: Database, item: Parsed, why: str, identities: Identities) -> Outcome:
    """Counts its number as taken in, where that can be told; setting it aside depends on nothing that it says."""
    try:
        return _commit(database, [Parsed(item.entry, _envelope(item.message), why)], identities)
    except Exception as error:
        # Not even its envelope is what it should be.
        if _is_away(error):
            raise
        log.warning("entry %s leaves a gap: %s", item.entry.id, _said(error))
    return _commit(database, [Parsed(item.entry, None, why)], identities)


def _envelope(message: Message | Unreadable | None) -> Unreadable | None:
    if not isinstance(message, Sequenced):
        return None
    return Unreadable.model_validate(message, from_attributes=True)


def _commit(database: Database, parsed: Sequence[Parsed], identities: Identities) -> Outcome:
    with database.write() as session:
        batch = _Batch(session, parsed, identities)
        until = time.monotonic() + TRANSACTION_SECONDS
        for index, item in enumerate(parsed):
            # A page is told of a transaction's rewind before its points, so points before a rewind need their own.
            if index and (isinstance(item.message, Started) or time.monotonic() > until):
                break
            batch.take(item)
        for run in batch.outcome.runs.values():
            refresh(session, run)
    return batch.outcome


def _without(point: Point, faults: Mapping[str, str | None]) -> Point:
    kept = {name: value for name, value in point.values.items() if faults[name] is None}
    return point.model_copy(update={"values": kept})


def _element_of(entry: Entry, message: RingRefused) -> Entry:
    return Entry(entry.id, message.ring)


def _runs_of(message: Message | Unreadable | None) -> list[str]:
    if isinstance(message, WorkerSeen):
        return [held.run_id for held in message.holding]
    if isinstance(message, RingRefused):
        return [message.run_id] if message.run_id is not None else []
    return [message.run_id] if isinstance(message, Claim | Sequenced | Unreadable) else []


def _runs_by_id(session: Session, ids: Collection[str]) -> Iterator[Run]:
    for portion in portions(ids):
        yield from session.execute(select(Run).where(Run.id.in_(portion))).scalars()


class _Batch:
    """One transaction, with all the runs that its messages speak of."""

    def __init__(self, session: Session, parsed: Sequence[Parsed], identities: Identities) -> None:
        self._session = session
        self._identities = identities
        self.outcome = Outcome()
        ids = {run_id for item in parsed for run_id in _runs_of(item.message)}
        self._runs = {run.id: run for run in _runs_by_id(session, ids)}
        self._attempts: dict[tuple[str, int], Attempt] = {}

    def take(self, item: Parsed) -> None:
        message = item.message
        self.outcome.entries.append(item.entry.id)
        if isinstance(message, WorkerSeen):
            self._take_sign_of_life(item, message)
        elif isinstance(message, WorkerGone):
            worker_gone(self._session, message)
            self.outcome.heard.append(message)
        elif isinstance(message, RingRefused):
            self._take_refusal(item, message)
        elif message is None:
            self._set_aside(item, item.why)
        elif message.run_id not in self._runs:
            self._set_aside(item, item.why or f"there is no run {message.run_id}")
            self.outcome.note_unknown(message.run_id, message.attempt)
        else:
            self._take_of_run(item, message, self._runs[message.run_id])

    def _take_sign_of_life(self, item: Parsed, message: WorkerSeen) -> None:
        seen = worker_seen(self._session, message, self._identities, age_seconds=item.entry.age_seconds)
        self.outcome.rings |= seen.rings
        if seen.key is None:
            # Of a start that has the identity; another one with it speaks of another machine's disks.
            self.outcome.rings |= note_storage(self._session, message)
        self.outcome.heard.append(message)
        if seen.key is not None:
            self.outcome.workers[message.worker_id] = seen.key
        if seen.ended_boot is not None:
            self.outcome.ended.append(Boot(message.worker_id, seen.ended_boot))
        for held in message.holding:
            self._take_holding(held)

    def _take_holding(self, held: Held) -> None:
        """Whoever trains what SQL knows otherwise is told so; whoever was told more than SQL knows proves a loss."""
        if not held.is_granted:
            return
        run = self._runs.get(held.run_id)
        if run is None:
            self.outcome.note_unknown(held.run_id, held.attempt)
            return
        told = Told.by_holding(held)
        if not knows(self._session, run, told):
            catch_up(self._session, run, told)
            self.outcome.rings = True
        if (run.attempt, run.claim_id) != (held.attempt, held.claim_id):
            self.outcome.runs[run.id] = run

    def _take_refusal(self, item: Parsed, message: RingRefused) -> None:
        run = self._runs.get(message.run_id or "")
        if run is not None:
            note_refusal(self._session, run, message)
            return
        element = Entry(item.entry.id, message.ring)
        self._set_aside(Parsed(element, None), f"in the queue of rings: {message.why}")

    def _take_of_run(self, item: Parsed, message: Claim | Sequenced | Unreadable, run: Run) -> None:
        self.outcome.runs[run.id] = run
        was_live, worker_id = RunStatus(run.status).is_live, run.worker_id
        if isinstance(message, Claim):
            grant(self._session, run, message, age_seconds=item.entry.age_seconds)
        elif (attempt := self._next_of(run, message)) is None:
            # No sign of life either: who can only repeat what comes after a gap must be given up one day.
            return
        elif isinstance(message, Unreadable):
            self._set_aside(item, item.why)
            return
        else:
            handle(Speaker(self._session, run, attempt), self._sound(item, message))
        self.outcome.heard.append(message)
        if was_live and not RunStatus(run.status).is_live:
            devices_freed(self._session, run, worker_id or "")
            self.outcome.rings = True

    def _sound(self, item: Parsed, message: Sequenced) -> Sequenced:
        """The message without metrics under names that are not kept; these are set aside, the others lose nothing."""
        if not isinstance(message, MetricBatch):
            return message
        faults = {name: metric_name_fault(name) for point in message.points for name in point.values}
        refused = [fault for fault in faults.values() if fault is not None]
        if not refused:
            return message
        self._set_aside(item, "; ".join(refused[:_FAULTS_TOLD]))
        points = [_without(point, faults) for point in message.points]
        return message.model_copy(update={"points": points})

    def _next_of(self, run: Run, message: Sequenced | Unreadable) -> Attempt | None:
        """The attempt that says it, if this is the next of its messages; it counts as taken in then."""
        attempt = self._attempt(run.id, message.attempt)
        if attempt is None or attempt.claim_id != message.claim_id or message.seq != attempt.ingested_through + 1:
            return None
        attempt.ingested_through = message.seq
        if message.attempt == run.attempt:
            run.ingested_through = message.seq
        return attempt

    def _attempt(self, run_id: str, number: int) -> Attempt | None:
        """Remembered, since the session forgets what it has written."""
        found = self._attempts.get((run_id, number)) or self._session.get(Attempt, (run_id, number))
        if found is not None:
            self._attempts[(run_id, number)] = found
        return found

    def _set_aside(self, item: Parsed, why: str) -> None:
        self.outcome.set_aside += 1
        set_aside(self._session, item.entry, why)
