"""Which runs a worker's disk can take, from what the worker says of it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db.portions import portions
from backend.db.tables import ServiceHold, Worker, WorkerStorage
from worker.common.disk import shown_size
from worker.contract.messages import DiskRoom

DISK_HOLD = "disk"


def lack_of_storage(storage: WorkerStorage | None, checkpoint_bytes: int) -> str | None:
    """Why it cannot take a run whose checkpoints take so much; None where it can, or says nothing of it."""
    if storage is None:
        return None
    if storage.unavailable_reason is not None:
        return storage.unavailable_reason
    if storage.free_bytes is None or storage.total_bytes is None or storage.reserve_bytes is None:
        return None
    room = DiskRoom(free_bytes=storage.free_bytes, total_bytes=storage.total_bytes, reserve_bytes=storage.reserve_bytes)
    needed = room.needed_to_start(checkpoint_bytes)
    if room.free_bytes >= needed:
        return None
    free = shown_size(room.free_bytes)
    return f"{free} of its disk are free, and a run with such checkpoints needs {shown_size(needed)}"


def storage_of(session: Session, workers: Iterable[Worker]) -> dict[str, WorkerStorage]:
    """By worker; those that never said anything of it are left out."""
    found: dict[str, WorkerStorage] = {}
    for ids in portions(worker.id for worker in workers):
        of_them = select(WorkerStorage).where(WorkerStorage.worker_id.in_(ids))
        found |= {storage.worker_id: storage for storage in session.execute(of_them).scalars()}
    return found


def service_hold(session: Session) -> str | None:
    """Why nothing is started at all."""
    hold = session.get(ServiceHold, DISK_HOLD)
    return hold.reason if hold is not None else None
