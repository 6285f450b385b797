"""Why a queued run is not running yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from backend.db.tables import Ringing, Run, Worker, WorkerStorage
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
    #: The run that trains of each sequential comparison.
    trained: dict[str, Run] = field(default_factory=dict)
    #: The storage roots that hold checkpoints, by run.
    roots: dict[str, set[str]] = field(default_factory=dict)
    #: What the newest checkpoint of each run takes, what workers say of their disks, and the service of its own.
    checkpoint_bytes: dict[str, int] = field(default_factory=dict)
    storage: dict[str, WorkerStorage] = field(default_factory=dict)
    hold: str | None = None
    #: What came of the rings of queued runs.
    ringing: dict[str, Ringing] = field(default_factory=dict)
    #: What Redis answers where it takes no writes, so that no worker can be heard.
    redis_refuses: str | None = None


def has_refused(worker: Worker, note: Ringing | None) -> bool:
    """Did this start of the worker refuse the run?"""
    refusal = note.refusals.get(worker.id) if note is not None else None
    return refusal is not None and refusal["boot_id"] == worker.boot_id


def waiting_for(run: Run, around: Surroundings) -> str | None:
    """What a queued run waits for, in words that follow "waits for"; None for any other."""
    if run.status != RunStatus.QUEUED:
        return None
    previous = around.predecessors.get(run.after_id) if run.after_id else None
    if previous is not None and not RunStatus(previous.status).is_final:
        return f"{previous.name} ({previous.id}) to finish"
    trained = around.trained.get(run.comparison_id) if run.comparison_id else None
    if trained is not None:
        return f"{trained.name} ({trained.id}), which trains now, to finish"
    if run.not_before is not None and run.not_before > around.now:
        return f"a retry in {math.ceil((run.not_before - around.now).total_seconds())} s"
    if around.hold is not None:
        return f"room: {around.hold}"
    if around.redis_refuses is not None:
        return f"Redis, which takes no writes, so that no worker can be heard: {around.redis_refuses}"
    return _worker_needed(run, around)


def devices_named(device: Device, devices: int) -> str:
    """What a worker has to offer; a CPU's one slot is enough for any number of processes."""
    if device is not Device.CUDA:
        return "a device"
    return "a GPU" if devices == 1 else f"{devices} GPUs"


def _worker_needed(run: Run, around: Surroundings) -> str:
    note = around.ringing.get(run.id)
    workers = [worker for worker in around.workers if not has_refused(worker, note)]
    if not workers:
        refusing = [worker for worker in around.workers if has_refused(worker, note)]
        return f"a worker of a fitting version: {_refusals(refusing, note)}" if note and refusing else "a worker"
    roots = around.roots.get(run.id)
    if roots:
        workers = [worker for worker in workers if worker.root_id in roots]
        if not workers:
            return f"a worker that has the storage with its checkpoints ({', '.join(sorted(roots))})"
    devices = int(run.config.get("devices", 1))
    device = Device(run.config.get("device", Device.AUTO))
    if not any(choose_devices(worker.devices, devices=devices, device=device) for worker in workers):
        return f"a worker with {devices_named(device, devices)}"
    lacks = {worker.id: _lack(worker, run, around) for worker in workers}
    if all(lacks.values()):
        return "; ".join(f"worker {name}, which takes no runs now: {lack}" for name, lack in lacks.items())
    workers = [worker for worker in workers if not lacks[worker.id]]
    if note is not None and _is_passed_over(run, note, around.now):
        return _answer_needed(note, around.now)
    if any(choose_devices(worker.free_devices, devices=devices, device=device) for worker in workers):
        return "a worker to take it"
    return "a free device" if devices == 1 or device is Device.CPU else f"{devices} free devices of one worker"


def _lack(worker: Worker, run: Run, around: Surroundings) -> str | None:
    return lack_of_storage(around.storage.get(worker.id), around.checkpoint_bytes.get(run.id, 0))


def _refusals(workers: Sequence[Worker], note: Ringing) -> str:
    why = {worker.id: note.refusals[worker.id]["why"] for worker in workers}
    return "; ".join(f"{worker.id} on {worker.host} refused it: {why[worker.id]}" for worker in workers)


def _is_passed_over(run: Run, note: Ringing, now: datetime) -> bool:
    return note.attempt == run.attempt and note.passed_over_until is not None and note.passed_over_until > now


def _answer_needed(note: Ringing, now: datetime) -> str:
    assert note.passed_over_until is not None
    seconds = math.ceil((note.passed_over_until - now).total_seconds())
    return (
        f"an answer: it was offered to free workers {note.unanswered} times and none of them took it; "
        f"others come first for {seconds} s, then it is offered again (the workers' logs may tell why)"
    )
