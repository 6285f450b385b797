"""Which queued runs are rung: the next in line, as many as there are free devices that suit them.

A run whose rings nobody answers is passed over for a while that grows, so that it does not hold the devices from
others. A worker that refused a run is not counted on for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from backend.controller.refusals import ringing_of
from backend.controller.timer import Every
from backend.db import tables
from backend.db.changes import note_change
from backend.db.clock import service_now
from backend.db.session import Database
from backend.db.tables import Checkpoint, Run, Worker, WorkerStorage
from backend.doorbell import Doorbell, spec_of
from backend.runs.queue import head, line
from backend.runs.waiting import has_refused
from backend.workers.storage import lack_of_storage
from worker.contract.config import RunConfig
from worker.contract.devices import choose_devices
from worker.contract.messages import RunSpec
from worker.contract.status import Desired, RunStatus

RING_EVERY_SECONDS = 5.0
#: Whatever is urgent: a device that becomes free because a ring came to nothing must not ring for the same run at once.
RING_AT_MOST_EVERY_SECONDS = 1.0
#: The API rings what it queues and is first in line; only when nothing came of that is it rung from here.
LEFT_TO_THE_API = timedelta(seconds=2)
#: A worker that was not heard for longer is not counted on.
WORKER_FRESH = timedelta(seconds=10)
#: So many rings without a claim, and the run is passed over; one more ring after each pause.
RINGS_BEFORE_PASSING = 3
#: Rings further apart are not counted together: meanwhile the device was another run's.
COUNTED_WITHIN_SECONDS = 20.0
PASSED_OVER_SECONDS = (10, 20, 40, 80, 160, 300)
_LOOKED_AT = 200

log = logging.getLogger(__name__)


@dataclass
class _Rung:
    """Rings of one attempt: when the last was sent, how many that were given time came to nothing, since when."""

    at: float
    counted_at: float
    count: int = 1


class Ringing:
    """Remembers what was rung when; a ring may come to nothing, and is repeated."""

    def __init__(self, database: Database, doorbell: Doorbell, clock: Callable[[], float]) -> None:
        self._database = database
        self._doorbell = doorbell
        self._clock = clock
        self._rung: dict[tuple[str, int], _Rung] = {}
        self._first_seen: dict[tuple[str, int], float] = {}
        self._invalid: set[str] = set()
        self._take_back_timer = Every(RING_EVERY_SECONDS, clock)
        self._urged = True

    def urge(self) -> None:
        """A device is free or a run is queued that was not: the next look rings, however short ago it did."""
        self._urged = True

    def look(self) -> None:
        """Rings what is due."""
        with self._database.read() as session:
            workers = _fresh_workers(session)
            chosen = self._choose(session, workers)
            self._forget_the_old(chosen)
            now = service_now(session)
            unanswered = [run for run in chosen if self._is_unanswered(session, run)]
            first = head(session)
            due = [run for run in chosen if run not in unanswered and self._is_due(run, now, is_first=run is first)]
            specs = [_spec(session, run) for run in due]
        self._urged = False
        if not workers and self._take_back_timer.is_due():
            # Whoever comes is rung anew, in the order of the queue and of what is still wanted then.
            self._doorbell.take_back_rings()
        if unanswered:
            self._pass_over(unanswered)
        self._ring(specs)

    def _ring(self, specs: Sequence[RunSpec]) -> None:
        for spec in specs:
            if not self._doorbell.ring(spec):
                return
            self._note_rung(spec)
            log.info("run %s: attempt %d is rung", spec.run_id, spec.attempt)

    def _note_rung(self, spec: RunSpec) -> None:
        now = self._clock()
        rung = self._rung.setdefault((spec.run_id, spec.attempt), _Rung(now, now))
        rung.at = now
        if now - rung.counted_at >= RING_EVERY_SECONDS:
            rung.counted_at, rung.count = now, rung.count + 1

    def _forget_the_old(self, chosen: Sequence[Run]) -> None:
        """A run that is not chosen at the moment is remembered: its own ring may have taken the device."""
        now = self._clock()
        self._rung = {attempt: rung for attempt, rung in self._rung.items() if now - rung.at < COUNTED_WITHIN_SECONDS}
        self._first_seen = {(run.id, run.attempt): self._seen_since(run) for run in chosen}

    def _seen_since(self, run: Run) -> float:
        return self._first_seen.get((run.id, run.attempt), self._clock())

    def _is_due(self, run: Run, now: datetime, *, is_first: bool) -> bool:
        rung = self._rung.get((run.id, run.attempt))
        if rung is None:
            # By its own clock as well, should the API's be ahead.
            seen_for = timedelta(seconds=self._clock() - self._seen_since(run))
            is_old = max(now - run.queued_at, seen_for) >= LEFT_TO_THE_API
            return self._urged or is_old or not is_first
        pause = RING_AT_MOST_EVERY_SECONDS if self._urged else RING_EVERY_SECONDS
        return self._clock() - rung.at >= pause

    def _is_unanswered(self, session: Session, run: Run) -> bool:
        """Has the last of its rings been given time, and nobody claimed?"""
        rung = self._rung.get((run.id, run.attempt))
        if rung is None or self._clock() - rung.counted_at < RING_EVERY_SECONDS:
            return False
        note = session.get(tables.Ringing, run.id)
        was_passed_over = note is not None and note.attempt == run.attempt and note.unanswered > 0
        return rung.count >= (1 if was_passed_over else RINGS_BEFORE_PASSING)

    def _pass_over(self, runs: Sequence[Run]) -> None:
        with self._database.write() as session:
            for run in runs:
                self._pass_one_over(session, session.get(Run, run.id))
        for run in runs:
            del self._rung[(run.id, run.attempt)]
        # Others may have its device now.
        self._urged = True

    def _pass_one_over(self, session: Session, run: Run | None) -> None:
        if run is None or run.status != RunStatus.QUEUED or (run.id, run.attempt) not in self._rung:
            return
        note = ringing_of(session, run)
        times = max(0, note.unanswered - RINGS_BEFORE_PASSING + 1)
        pause = PASSED_OVER_SECONDS[min(times, len(PASSED_OVER_SECONDS) - 1)]
        note.unanswered += self._rung[(run.id, run.attempt)].count
        note.passed_over_until = service_now(session) + timedelta(seconds=pause)
        run.change = note_change(session, "run", run.id)
        log.warning("run %s: no answer to %d rings; it is passed over for %d s", run.id, note.unanswered, pause)

    def _choose(self, session: Session, workers: Sequence[Worker]) -> list[Run]:
        """The next runs that may start, as many as find a free device of a worker that can train them."""
        free = {worker.id: list(worker.free_devices) for worker in workers}
        chosen: list[Run] = []
        sequences: set[str] = set()
        is_any_free = any(free.values())
        let_go = _let_go(session, workers) if is_any_free else frozenset()
        for place in line(session, limit=_LOOKED_AT) if is_any_free else ():
            willing = [worker for worker in workers if not has_refused(worker, place.ringing)]
            if place.behind - let_go or place.sequence in sequences or not self._is_valid(session, place.run):
                continue
            if _take_device(session, place.run, willing, free):
                sequences |= {place.sequence} if place.sequence is not None else set()
                # The last word of the run before is on its way; until it is there the device is kept for this one.
                chosen += [] if place.behind else [place.run]
            if not any(free.values()):
                break
        return chosen

    def _is_valid(self, session: Session, run: Run) -> bool:
        """Can a ring be made of it? It says so once where that is not so, and the run holds no device from others."""
        try:
            _spec(session, run)
        except ValidationError as error:
            if run.id not in self._invalid:
                log.error("run %s cannot be rung, what the database has of it is not valid: %s", run.id, error)
            self._invalid.add(run.id)
            return False
        return True


def _let_go(session: Session, workers: Sequence[Worker]) -> frozenset[str]:
    """Live runs that their worker does not hold any more: it told of the free device before the run's last word."""
    by_worker = {worker.id: worker.holding for worker in workers}
    live = select(Run.id, Run.worker_id).where(Run.worker_id.in_(by_worker), Run.desired != Desired.PAUSE)
    found = session.execute(live.where(Run.status.in_([status for status in RunStatus if status.is_live])))
    return frozenset(run_id for run_id, worker_id in found if run_id not in by_worker.get(worker_id or "", ()))


def _fresh_workers(session: Session) -> Sequence[Worker]:
    fresh = select(Worker).where(Worker.gone.is_(False), Worker.seen_at > service_now(session) - WORKER_FRESH)
    return session.execute(fresh.order_by(Worker.id)).scalars().all()


def _take_device(session: Session, run: Run, workers: Sequence[Worker], free: dict[str, list[str]]) -> bool:
    """Takes the devices for `run` out of `free`, of a worker that has the storage root of its newest checkpoint."""
    newest = session.execute(_checkpoints(run).limit(1)).scalar()
    config = RunConfig.model_validate(run.config)
    for worker in workers:
        chosen = choose_devices(free[worker.id], devices=config.devices, device=config.device)
        lack = lack_of_storage(session.get(WorkerStorage, worker.id), newest.size_bytes if newest else 0)
        if chosen and lack is None and (newest is None or worker.root_id == newest.root_id):
            free[worker.id] = [name for name in free[worker.id] if name not in chosen]
            return True
    return False


def _checkpoints(run: Run) -> Select[Checkpoint]:
    """In the order in which they are tried: the newest attempt's first, each attempt's latest first."""
    of_run = select(Checkpoint).where(Checkpoint.run_id == run.id)
    return of_run.order_by(Checkpoint.attempt.desc(), Checkpoint.step.desc(), Checkpoint.id.desc())


def _spec(session: Session, run: Run) -> RunSpec:
    return spec_of(run, list(session.execute(_checkpoints(run)).scalars()))
