"""What workers say, what they are told, and the ring that starts them.

Every sequenced message of an attempt carries `seq` 1, 2, 3, ...; the controller takes them in that order and
answers with `ingested_through`. Claim and WorkerSeen are repeated as long as they matter and carry none.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter

from worker.contract.config import RunConfig
from worker.contract.numbers import LARGEST, Bytes, Count
from worker.contract.status import Desired


class Part(BaseModel):
    """Base of everything that travels: frozen, and a newer speaker's extra fields are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")


class CheckpointRef(Part):
    """A checkpoint by the storage root that holds it and its path below that root."""

    root_id: str
    path: str
    step: Count
    #: The best val/top1 so far was reached at it; the holder keeps the latest that has this.
    best: bool = False


#: Twice as long as what the service makes.
RunId = Annotated[str, Field(max_length=64)]


class RunSpec(Part):
    """The ring's content: all that a worker needs to claim and train one attempt. JSON, validated on arrival."""

    run_id: RunId
    attempt: Count
    name: str
    config: RunConfig
    #: Newest first; a damaged one is passed over for the next. Empty: start from the beginning.
    checkpoints: list[CheckpointRef] = []
    #: Seconds of training before this attempt, so that the time axis goes on where it stopped.
    elapsed_seconds: float = 0.0
    #: The number of the contract by which it is to be read; 1 had no number yet.
    contract: Count = 1


#: Of the last word about a run that SQL doesn't know: greater than any that SQL ever counts to.
LAST_REVISION = LARGEST


class RunKey(Part):
    """What is wanted of a run, in Redis under `names.run_key`; only a newer revision replaces it."""

    run_id: RunId
    revision: Count
    desired: Desired
    attempt: Count
    claim_id: str | None = None
    ingested_through: Count = 0
    #: Why the holder is to write a checkpoint and let go for now; the run is queued again and goes on by itself.
    evict: str | None = None


class DiskRoom(Part):
    """What is free where a worker's checkpoints go, and how much of it stays free."""

    free_bytes: Bytes
    total_bytes: Bytes
    reserve_bytes: Bytes

    def needed_to_start(self, checkpoint_bytes: int) -> int:
        """What has to be free before a run begins whose checkpoints take so much.

        More than below what it has to make way: one may be written before that is seen, and one to make way.
        """
        return self.reserve_bytes * 3 // 2 + 3 * checkpoint_bytes


class WorkerKey(Part):
    """Which start of a worker has its identity, in Redis under `names.worker_key`; others with it wait."""

    worker_id: str
    boot_id: str
    host: str


class Point(Part):
    """Metrics of one step; `values` maps metric names to floats, None where the value is not finite.

    `at` is by the clock of the training machine; its age is counted from when the service took it in instead.
    """

    step: Count
    epoch: FiniteFloat
    elapsed_seconds: FiniteFloat
    at: AwareDatetime
    values: dict[str, float | None]


class Held(Part):
    """An attempt that a worker has in hand, and what it was told of it. Whoever told it has to know that."""

    run_id: RunId
    attempt: Count
    claim_id: str
    #: Was the claim granted?
    is_granted: bool = False
    #: The newest revision of the run's key that was read.
    revision: Count = 0
    #: The number up to which its messages were acknowledged, and forgotten by the worker.
    acknowledged_through: Count = 0


#: Devices of one worker, and what it has in hand on them.
LISTED_AT_MOST = 1000


class WorkerSeen(Part):
    """A worker's sign of life, every few seconds: what it has, what is free, and what it holds."""

    kind: Literal["worker_seen"] = "worker_seen"
    worker_id: str
    boot_id: str
    host: str
    root_id: str
    devices: Annotated[list[str], Field(max_length=LISTED_AT_MOST)]
    free_devices: Annotated[list[str], Field(max_length=LISTED_AT_MOST)]
    holding: Annotated[list[Held], Field(max_length=LISTED_AT_MOST)] = []
    versions: dict[str, str] = {}
    #: Why it takes no runs at the moment; None where it does.
    unavailable_reason: str | None = None
    files_room: DiskRoom | None = None
    #: By the worker's own clock; the service measures with it how far that is off.
    at: AwareDatetime
    #: The number of the contract that it speaks; 1 had no number yet.
    contract: Count = 1
    #: Names the place where it runs (see worker/jobs/identity.py): two starts in one place are never alive together.
    place: str = ""
    #: Was it told that the identity is its own? Until then it trains nothing.
    is_admitted: bool = True


class WorkerGone(Part):
    """The worker shuts down in order; nothing will be heard from this boot any more."""

    kind: Literal["worker_gone"] = "worker_gone"
    worker_id: str
    boot_id: str
    at: AwareDatetime


class RingRefused(Part):
    """Something in the queue of rings that this worker does not train, and would not if it came again."""

    kind: Literal["ring_refused"] = "ring_refused"
    worker_id: str
    boot_id: str
    at: AwareDatetime
    #: Why, for a person: what is unknown to this version, or how it is no ring at all.
    why: str
    #: Of a ring that could be read so far; None for what is none.
    run_id: str | None = None
    attempt: Count | None = None
    #: The element itself, as far as it is text.
    ring: str = ""


class _OfAttempt(Part):
    run_id: RunId
    attempt: Count
    claim_id: str
    at: AwareDatetime


class Claim(_OfAttempt):
    """I heard the ring and have the devices: may I train this attempt? Repeated until answered in the run's key."""

    kind: Literal["claim"] = "claim"
    worker_id: str
    boot_id: str = ""
    devices: list[str]


class _Sequenced(_OfAttempt):
    seq: Annotated[Count, Field(ge=1)]


class Started(_Sequenced):
    """The training process is up and is about to make the step after `step` (0 from the beginning)."""

    kind: Literal["started"] = "started"
    step: Count
    epochs: Count
    steps_per_epoch: Count
    blocks: Count = 0
    parameters: Bytes = 0
    device: str
    threads: Count
    #: Of each device.
    loader_processes: Count | None = None
    versions: dict[str, str] = {}


class MetricBatch(_Sequenced):
    kind: Literal["metrics"] = "metrics"
    points: list[Point]


class CheckpointSaved(_Sequenced):
    kind: Literal["checkpoint"] = "checkpoint"
    root_id: str
    path: str
    step: Count
    epoch: FiniteFloat
    size_bytes: Bytes
    sha256: str
    elapsed_seconds: FiniteFloat
    #: The best val/top1 so far was reached at this step.
    best: bool = False


class CheckpointRemoved(_Sequenced):
    """The holder deleted a checkpoint that newer ones in SQL have replaced."""

    kind: Literal["checkpoint_removed"] = "checkpoint_removed"
    root_id: str
    path: str


class LogLines(_Sequenced):
    kind: Literal["log"] = "log"
    lines: list[str]


class Notice(_Sequenced):
    """Something a person should see in the run's history: a damaged checkpoint passed over, a bad image."""

    kind: Literal["notice"] = "notice"
    text: str


class Paused(_Sequenced):
    """The training process is gone and the device is free; the run will go on after `step`."""

    kind: Literal["paused"] = "paused"
    step: Count
    #: What a person should know of it, beside the step.
    reason: str = ""


class Stopped(_Sequenced):
    kind: Literal["stopped"] = "stopped"
    reason: str


class Released(_Sequenced):
    """The holder lets go. `crashed` counts towards giving up; a shutdown or an upgrade does not."""

    kind: Literal["released"] = "released"
    reason: str
    crashed: bool
    log_tail: list[str] = []


class Completed(_Sequenced):
    kind: Literal["completed"] = "completed"
    step: Count
    elapsed_seconds: FiniteFloat


class Failed(_Sequenced):
    """The training said that it cannot go on (bad data, out of memory, a loss that is not finite)."""

    kind: Literal["failed"] = "failed"
    reason: str
    log_tail: list[str] = []


Sequenced = (
    Started
    | MetricBatch
    | CheckpointSaved
    | CheckpointRemoved
    | LogLines
    | Notice
    | Paused
    | Stopped
    | Released
    | Completed
    | Failed
)
Message = Annotated[WorkerSeen | WorkerGone | RingRefused | Claim | Sequenced, Field(discriminator="kind")]

MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)
