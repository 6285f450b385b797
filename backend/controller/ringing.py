"""Which queued runs are rung: the oldest, as many as there are free devices that suit them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, aliased

from backend.controller.timer import Every
from backend.db.session import Database
from backend.db.tables import Checkpoint, Run, Worker, WorkerStorage
from backend.doorbell import Doorbell, spec_of
from backend.workers.storage import lack_of_storage
from worker.contract.config import RunConfig
from worker.contract.devices import choose_devices
from worker.contract.messages import RunSpec
from worker.contract.status import Desired, RunStatus

RING_EVERY_SECONDS = 5.0
#: The API rings what it queues; only when nothing came of that is it rung from here.
LEFT_TO_THE_API = timedelta(seconds=2)
#: A worker that was not heard for longer is not counted on.
WORKER_FRESH = timedelta(seconds=10)
_LOOKED_AT = 200

log = logging.getLogger(__name__)


class Ringing:
    """Remembers what was rung when; a ring may come to nothing, and is repeated."""

    def __init__(self, database: Database, doorbell: Doorbell, clock: Callable[[], float]) -> None:
        self._database = database
        self._doorbell = doorbell
        self._clock = clock
        self._rung: dict[tuple[str, int], float] = {}
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
            specs = [_spec(session, run) for run in chosen if self._urged or self._is_due(run)]
        self._urged = False
        if not workers and self._take_back_timer.is_due():
            # Whoever comes is rung anew, in the order of the queue and of what is still wanted then.
            self._doorbell.take_back_rings()
        kept = {(run.id, run.attempt) for run in chosen}
        self._rung = {rung: at for rung, at in self._rung.items() if rung in kept}
        for spec in specs:
            self._rung[(spec.run_id, spec.attempt)] = self._clock()
            if not self._doorbell.ring(spec):
                return
            log.info("run %s: attempt %d is rung", spec.run_id, spec.attempt)

    def _is_due(self, run: Run) -> bool:
        rung_at = self._rung.get((run.id, run.attempt))
        if rung_at is None:
            return datetime.now(UTC) - run.queued_at >= LEFT_TO_THE_API
        return self._clock() - rung_at >= RING_EVERY_SECONDS

    def _choose(self, session: Session, workers: Sequence[Worker]) -> list[Run]:
        """The oldest queued runs that may start, as many as find a free device of a worker that can train them."""
        free = {worker.id: list(worker.free_devices) for worker in workers}
        chosen: list[Run] = []
        for run in _startable(session) if any(free.values()) else ():
            if self._is_valid(run) and _take_device(session, run, workers, free):
                chosen.append(run)
            if not any(free.values()):
                break
        return chosen

    def _is_valid(self, run: Run) -> bool:
        """Is its configuration one that this version knows? It says so once where it is not."""
        try:
            RunConfig.model_validate(run.config)
        except ValidationError as error:
            if run.id not in self._invalid:
                log.error("run %s cannot be rung, its configuration is not valid: %s", run.id, error)
            self._invalid.add(run.id)
            return False
        return True


def _startable(session: Session) -> Sequence[Run]:
    """Queued runs that `may_start`, the oldest first: chosen in SQL, since hundreds may wait for the one before."""
    previous = aliased(Run)
    is_free = or_(previous.id.is_(None), previous.status.in_([status for status in RunStatus if status.is_final]))
    is_rested = or_(Run.not_before.is_(None), Run.not_before <= datetime.now(UTC))
    queued = select(Run).where(Run.status == RunStatus.QUEUED, Run.desired == Desired.RUN)
    startable = queued.outerjoin(previous, previous.id == Run.after_id).where(is_free, is_rested)
    return session.execute(startable.order_by(Run.queued_at, Run.id).limit(_LOOKED_AT)).scalars().all()


def _fresh_workers(session: Session) -> Sequence[Worker]:
    fresh = select(Worker).where(Worker.gone.is_(False), Worker.seen_at > datetime.now(UTC) - WORKER_FRESH)
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
