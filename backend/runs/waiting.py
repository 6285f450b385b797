"""Why a queued run is not running yet, and whether it may."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from backend.db.tables import Run, Worker, WorkerStorage
from backend.workers.storage import lack_of_storage
from worker.contract.config import Device
from worker.contract.devices import choose_devices
from worker.contract.status import RunStatus


@dataclass(frozen=True)
class Surroundings:
    """What the waiting of some runs depends on: workers that live, runs that come before, where checkpoints lie."""

    now: datetime
    workers: Sequence[Worker] = ()
    predecessors: dict[str, Run] = field(default_factory=dict)
    #: The storage roots that hold checkpoints, by run.
    roots: dict[str, set[str]] = field(default_factory=dict)
    #: What the newest checkpoint of each run takes, what workers say of their disks, and the service of its own.
    checkpoint_bytes: dict[str, int] = field(default_factory=dict)
    storage: dict[str, WorkerStorage] = field(default_factory=dict)
    hold: str | None = None


def may_start(session: Session, run: Run) -> bool:
    """Is its pause after a crash over, and the run final that it comes after?"""
    if run.not_before is not None and run.not_before > datetime.now(UTC):
        return False
    previous = session.get(Run, run.after_id) if run.after_id is not None else None
    return previous is None or RunStatus(previous.status).is_final


def waiting_for(run: Run, around: Surroundings) -> str | None:
    """What a queued run waits for, in words that follow "waits for"; None for any other."""
    if run.status != RunStatus.QUEUED:
        return None
    previous = around.predecessors.get(run.after_id) if run.after_id else None
    if previous is not None and not RunStatus(previous.status).is_final:
        return f"{previous.name} ({previous.id}) to finish"
    if run.not_before is not None and run.not_before > around.now:
        return f"a retry in {math.ceil((run.not_before - around.now).total_seconds())} s"
    if around.hold is not None:
        return f"room: {around.hold}"
    return _worker_needed(run, around)


def _worker_needed(run: Run, around: Surroundings) -> str:
    workers = around.workers
    if not workers:
        return "a worker"
    roots = around.roots.get(run.id)
    if roots:
        workers = [worker for worker in workers if worker.root_id in roots]
        if not workers:
            return f"a worker that has the storage with its checkpoints ({', '.join(sorted(roots))})"
    devices = int(run.config.get("devices", 1))
    device = Device(run.config.get("device", Device.AUTO))
    if not any(choose_devices(worker.devices, devices=devices, device=device) for worker in workers):
        return "a worker with a GPU" if devices == 1 else f"a worker with {devices} GPUs"
    lacks = {worker.id: _lack(worker, run, around) for worker in workers}
    if all(lacks.values()):
        return "; ".join(f"worker {name}, which takes no runs now: {lack}" for name, lack in lacks.items())
    workers = [worker for worker in workers if not lacks[worker.id]]
    if any(choose_devices(worker.free_devices, devices=devices, device=device) for worker in workers):
        return "a worker to take it"
    return "a free device" if devices == 1 or device is Device.CPU else f"{devices} free devices of one worker"


def _lack(worker: Worker, run: Run, around: Surroundings) -> str | None:
    return lack_of_storage(around.storage.get(worker.id), around.checkpoint_bytes.get(run.id, 0))
