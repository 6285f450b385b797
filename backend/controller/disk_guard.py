"""Keeps disks from filling up: workers tell of theirs, and the runs make way where the service's own is short."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from backend.controller.timer import Every
from backend.controller.workers import CHANGE
from backend.db.changes import note_change
from backend.db.session import Database
from backend.db.tables import Run, ServiceHold, WorkerStorage
from backend.disk import ServiceDisk
from backend.runs.queue import IN_ORDER
from backend.workers.storage import DISK_HOLD
from worker.contract.messages import WorkerSeen
from worker.contract.status import RunStatus

LOOK_SECONDS = 2.0
_WAITING_RUNS_TOLD = 200


class DiskGuard:
    """Looks at the disk of database and Redis. `eviction` is why live runs are to make way, `hold` why none starts."""

    def __init__(self, database: Database, disk: ServiceDisk, clock: Callable[[], float]) -> None:
        self._database = database
        self._disk = disk
        self._timer = Every(LOOK_SECONDS, clock)
        self._is_told: bool | None = None
        self.eviction: str | None = None
        self.hold: str | None = None

    def look(self) -> bool:
        """True where live runs have to be told of a change."""
        if not self._timer.is_due():
            return False
        evicted_before = self.eviction is not None
        self.eviction = self._disk.eviction()
        self.hold = self.eviction or self._disk.no_start()
        if (self.hold is not None) != self._is_told:
            # On a disk that is full already, the next look tries again.
            with suppress(OperationalError, InterfaceError):
                self._write_down()
                self._is_told = self.hold is not None
        return (self.eviction is not None) != evicted_before

    def _write_down(self) -> None:
        with self._database.write() as session:
            standing = session.get(ServiceHold, DISK_HOLD)
            if standing is not None:
                session.delete(standing)
                session.flush()
            if self.hold is not None:
                session.add(ServiceHold(name=DISK_HOLD, reason=self.hold))
            if standing is not None or self.hold is not None:
                _tell_waiting_runs(session)


def note_storage(session: Session, message: WorkerSeen) -> bool:
    """Writes down what a worker says of its disks; True where it takes runs again that it did not."""
    storage = session.get(WorkerStorage, message.worker_id)
    if storage is None:
        storage = WorkerStorage(worker_id=message.worker_id)
        session.add(storage)
    was_unavailable = storage.unavailable_reason is not None
    storage.unavailable_reason = message.unavailable_reason
    room = message.files_room
    for name in ("free_bytes", "total_bytes", "reserve_bytes"):
        setattr(storage, name, getattr(room, name) if room is not None else None)
    is_unavailable = message.unavailable_reason is not None
    if was_unavailable != is_unavailable:
        note_change(session, CHANGE, CHANGE)
        _tell_waiting_runs(session)
    return was_unavailable and not is_unavailable


def _tell_waiting_runs(session: Session) -> None:
    """Queued runs show what they wait for."""
    queued = select(Run).where(Run.status == RunStatus.QUEUED).order_by(*IN_ORDER).limit(_WAITING_RUNS_TOLD)
    for run in session.execute(queued).scalars():
        run.change = note_change(session, "run", run.id)
