"""What is known of the workers, from what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.controller.identities import Identities, is_same_place
from backend.db.changes import note_change
from backend.db.clock import service_now
from backend.db.tables import Run, Worker
from backend.runs.queue import IN_ORDER
from backend.workers.clocks import clock_skew
from worker.contract.messages import WorkerGone, WorkerKey, WorkerSeen
from worker.contract.status import RunStatus

#: `note_change` under this kind and subject tells pages that the list of workers is another one.
CHANGE = "workers"
_WAITING_RUNS_TOLD = 200
#: A worker's message may have been held up on its way, which makes its clock seem slow; the quickest of so many counts.
_SKEWS_KEPT = 3


@dataclass(frozen=True)
class Seen:
    """What follows from a sign of life."""

    #: There are devices to train on that there were not before.
    rings: bool = False
    #: To be published for the starts that have this identity, where one does not know yet which of them it is.
    key: WorkerKey | None = None
    #: The start before, of which nothing lives any more.
    ended_boot: str | None = None


def worker_seen(session: Session, message: WorkerSeen, identities: Identities, *, age_seconds: float) -> Seen:
    """Writes down a sign of life, which lay in the stream for `age_seconds`."""
    _hear(session, message)
    identities.hear(message)
    worker = session.get(Worker, message.worker_id)
    if not identities.admits(message, holder=worker):
        assert worker is not None
        return Seen(key=_refuse(worker, message))
    known = _shown(worker)
    ended_boot = None
    if worker is None:
        worker = Worker(id=message.worker_id, boot_id=message.boot_id, gone=True)
        session.add(worker)
    elif worker.boot_id != message.boot_id:
        ended_boot = worker.boot_id if is_same_place(message, worker) else None
        worker.clock_skews, worker.refusal, worker.rival = [], None, None
    was_free = set() if worker.gone else set(worker.free_devices)
    _write_down(worker, message, seen_in=session, age_seconds=age_seconds)
    _look_after_rival(worker, identities)
    if known != _shown(worker):
        _tell(session, waiting_runs=known is None or bool(known["gone"]))
    return Seen(
        rings=bool(set(message.free_devices) - was_free),
        key=None if message.is_admitted else _key_of(worker),
        ended_boot=ended_boot,
    )


def _write_down(worker: Worker, message: WorkerSeen, *, seen_in: Session, age_seconds: float) -> None:
    now = service_now(seen_in)
    ahead = (message.at - (now - timedelta(seconds=age_seconds))).total_seconds()
    worker.seen_at, worker.gone = now, False
    worker.clock_skews = [*(worker.clock_skews or []), round(ahead, 3)][-_SKEWS_KEPT:]
    worker.holding = [held.run_id for held in message.holding]
    for name in ("boot_id", "host", "root_id", "devices", "free_devices", "versions", "contract", "place"):
        setattr(worker, name, getattr(message, name))


def _shown(worker: Worker | None) -> dict[str, object] | None:
    """What a page shows of it, but for the exact times."""
    if worker is None:
        return None
    names = ("boot_id", "host", "root_id", "devices", "free_devices", "holding", "versions", "contract", "gone")
    shown = {name: getattr(worker, name) for name in names}
    return shown | {"clock_skew": clock_skew(worker), "rival": worker.rival, "refusal": worker.refusal}


def _refuse(worker: Worker, message: WorkerSeen) -> WorkerKey:
    """Another start has the identity. Only once that one is heard again is it said that there are two of them."""
    if worker.rival is None or worker.rival["boot_id"] != message.boot_id:
        worker.rival = {"boot_id": message.boot_id, "host": message.host, "is_certain": False}
    return _key_of(worker)


def _look_after_rival(worker: Worker, identities: Identities) -> None:
    if worker.rival is None:
        return
    is_there = identities.is_heard(worker.id, worker.rival["boot_id"])
    worker.rival = worker.rival | {"is_certain": True} if is_there else None


def _key_of(worker: Worker) -> WorkerKey:
    return WorkerKey(worker_id=worker.id, boot_id=worker.boot_id, host=worker.host)


def _hear(session: Session, message: WorkerSeen) -> None:
    """Dates the last sign of life of what it holds; no page shows the exact time, so that takes no number."""
    for held in message.holding:
        same = (Run.id == held.run_id, Run.attempt == held.attempt, Run.claim_id == held.claim_id)
        session.execute(update(Run).where(*same).values(heard_at=service_now(session)))


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


def tell_of_workers(session: Session) -> None:
    note_change(session, CHANGE, CHANGE)


def _tell(session: Session, *, waiting_runs: bool) -> None:
    """Queued runs show what they wait for, which changes when a worker comes or goes."""
    tell_of_workers(session)
    if not waiting_runs:
        return
    queued = select(Run).where(Run.status == RunStatus.QUEUED).order_by(*IN_ORDER).limit(_WAITING_RUNS_TOLD)
    for run in session.execute(queued).scalars():
        run.change = note_change(session, "run", run.id)
