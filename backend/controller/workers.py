"""What is known of the workers, from what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.db.changes import note_change
from backend.db.tables import Run, Worker
from worker.contract.messages import WorkerGone, WorkerSeen
from worker.contract.status import RunStatus

#: `note_change` under this kind and subject tells pages that the list of workers is another one.
CHANGE = "workers"
_WAITING_RUNS_TOLD = 200


def worker_seen(session: Session, message: WorkerSeen) -> bool:
    """Writes down a sign of life; True if there are devices to train on that there were not before."""
    worker = session.get(Worker, message.worker_id)
    now = datetime.now(UTC)
    told = {
        "boot_id": message.boot_id,
        "host": message.host,
        "root_id": message.root_id,
        "devices": message.devices,
        "free_devices": message.free_devices,
        "holding": [held.run_id for held in message.holding],
        "versions": message.versions,
        "gone": False,
    }
    known = {name: getattr(worker, name) for name in told} if worker is not None else {}
    if worker is None:
        session.add(Worker(id=message.worker_id, seen_at=now, **told))
    else:
        worker.seen_at = now
        for name, value in told.items():
            setattr(worker, name, value)
    _hear(session, message)
    if known == told:
        return False
    appeared = known.get("gone", True)
    _tell(session, waiting_runs=appeared)
    return appeared or bool(set(message.free_devices) - set(known["free_devices"]))


def _hear(session: Session, message: WorkerSeen) -> None:
    """Dates the last sign of life of what it holds; no page shows the exact time, so that takes no number."""
    for held in message.holding:
        same = (Run.id == held.run_id, Run.attempt == held.attempt, Run.claim_id == held.claim_id)
        session.execute(update(Run).where(*same).values(heard_at=datetime.now(UTC)))


def devices_taken(session: Session, run: Run, devices: list[str]) -> None:
    """Counts `devices` out of the free ones of the worker that `run` was just given to."""
    run.facts = run.facts | {"devices": devices}
    worker = session.get(Worker, run.worker_id)
    if worker is not None:
        worker.free_devices = [name for name in worker.free_devices if name not in devices]
        _tell(session, waiting_runs=False)


def devices_freed(session: Session, run: Run, worker_id: str) -> None:
    """Counts the devices of a run that its holder let go as free, without waiting for the worker to say so."""
    worker = session.get(Worker, worker_id)
    if worker is not None and not worker.gone:
        freed = set(run.facts.get("devices", []))
        worker.free_devices = [name for name in worker.devices if name in {*worker.free_devices, *freed}]
        _tell(session, waiting_runs=False)


def worker_gone(session: Session, message: WorkerGone) -> None:
    worker = session.get(Worker, message.worker_id)
    if worker is not None and worker.boot_id == message.boot_id:
        mark_gone(session, [worker])


def mark_gone(session: Session, workers: Iterable[Worker]) -> None:
    """Nothing can be trained there until it is heard again."""
    for worker in workers:
        worker.gone, worker.free_devices, worker.holding = True, [], []
        _tell(session, waiting_runs=True)


def _tell(session: Session, *, waiting_runs: bool) -> None:
    """Queued runs show what they wait for, which changes when a worker comes or goes."""
    note_change(session, CHANGE, CHANGE)
    if not waiting_runs:
        return
    queued = select(Run).where(Run.status == RunStatus.QUEUED).order_by(Run.queued_at).limit(_WAITING_RUNS_TOLD)
    for run in session.execute(queued).scalars():
        run.change = note_change(session, "run", run.id)
