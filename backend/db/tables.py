"""The tables. Rows that a page shows carry `change`, the number of the transaction that last touched them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    false,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, validates

from worker.contract.text import folded


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC times; SQLite forgets the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON, list[float]: JSON, datetime: UtcTime}  # noqa: RUF012


#: None is NULL, and not the word null.
_JsonOrNull = JSON(none_as_null=True)
#: Texts that are sorted by their code points, whatever the locale in which a Postgres was set up.
_ByCodePoint = Text().with_variant(Text(collation="C"), "postgresql")


class Run(Base):
    """A run as it is (`status`), as it is wanted (`desired`), and who trains it (`attempt`, `claim_id`)."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    notes: Mapped[str] = mapped_column(Text, default="")
    tags: Mapped[list[str]] = mapped_column(default=list)
    config: Mapped[dict[str, Any]]

    status: Mapped[str] = mapped_column(String(16), index=True)
    desired: Mapped[str] = mapped_column(String(8))
    attempt: Mapped[int] = mapped_column(default=1)
    #: Grows whenever what the run's key in Redis says changes; a key is only replaced by a newer revision.
    revision: Mapped[int] = mapped_column(default=1)
    reason: Mapped[str | None] = mapped_column(Text)

    claim_id: Mapped[str | None] = mapped_column(String(64))
    worker_id: Mapped[str | None] = mapped_column(String(128))
    #: The highest sequence number of the present attempt without a gap before it.
    ingested_through: Mapped[int] = mapped_column(default=0)
    heard_at: Mapped[datetime | None]
    #: Crashes since the last checkpoint, and the time before which a crashed run is not rung again.
    crashes: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None]

    step: Mapped[int] = mapped_column(default=0)
    epoch: Mapped[float] = mapped_column(default=0.0)
    steps_per_epoch: Mapped[int | None]
    #: Seconds of training, pauses left out.
    elapsed_seconds: Mapped[float] = mapped_column(default=0.0)
    best_top1: Mapped[float | None]
    best_epoch: Mapped[float | None]
    latest: Mapped[dict[str, Any]] = mapped_column(default=dict)
    last_point_at: Mapped[datetime | None]
    #: What `Started` said of the machine: device, threads, loader processes, parameters, blocks, versions.
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)

    comparison_id: Mapped[str | None] = mapped_column(ForeignKey("comparisons.id", ondelete="SET NULL"), index=True)
    arm: Mapped[str | None] = mapped_column(String(64))
    #: The run that has to be final before this one is rung (sequential comparisons).
    after_id: Mapped[str | None] = mapped_column(String(32))

    created_at: Mapped[datetime]
    queued_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    change: Mapped[int] = mapped_column(index=True)

    #: What lists are searched and sorted by (see `worker.contract.text.folded`): databases fold alike only ASCII.
    name_folded: Mapped[str] = mapped_column(_ByCodePoint, server_default="", default="")
    notes_folded: Mapped[str] = mapped_column(_ByCodePoint, server_default="", default="")
    #: Each between line breaks, which no tag holds.
    tags_folded: Mapped[str] = mapped_column(_ByCodePoint, server_default="", default="")

    @validates("name", "notes")
    def _fold_text(self, field: str, value: str) -> str:
        setattr(self, f"{field}_folded", folded(value))
        return value

    @validates("tags")
    def _fold_tags(self, _field: str, value: list[str]) -> list[str]:
        self.tags_folded = folded_tags(value)
        return value


def folded_tags(tags: Sequence[str]) -> str:
    return "".join(f"\n{folded(tag)}\n" for tag in tags)


class Attempt(Base):
    """One try at training a run. An older attempt's metrics count up to the step from which the next resumed."""

    __tablename__ = "attempts"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    claim_id: Mapped[str | None] = mapped_column(String(64))
    ingested_through: Mapped[int] = mapped_column(default=0)
    started_step: Mapped[int | None]
    ended: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class RunEvent(Base):
    """The history of a run for people: changes of status and notices."""

    __tablename__ = "run_events"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    attempt: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))  # status, notice, wish, rewound
    before: Mapped[str | None] = mapped_column(String(16))
    after: Mapped[str | None] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text, default="")


class Metric(Base):
    """One value of one metric at one step; null where it was not finite."""

    __tablename__ = "metrics"
    __table_args__ = (Index("ix_metrics_change", "change"), {"sqlite_with_rowid": False})

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    epoch: Mapped[float]
    elapsed_seconds: Mapped[float]
    at: Mapped[datetime]
    value: Mapped[float | None] = mapped_column(Float)
    change: Mapped[int]


class MetricBucket(Base):
    """The extremes of a stretch of one metric's points, and the first step whose value was not finite.

    `level` 0 is a fixed number of points, `level` l + 1 two of level l; `number` counts within a level.
    """

    __tablename__ = "metric_buckets"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    last_step: Mapped[int]
    min_value: Mapped[float | None] = mapped_column(Float)
    min_step: Mapped[int | None]
    max_value: Mapped[float | None] = mapped_column(Float)
    max_step: Mapped[int | None]
    gap_step: Mapped[int | None]


class RunResults(Base):
    """What a run came to as a whole, as far as its points are taken in; see backend/runs/results.py."""

    __tablename__ = "run_results"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    #: The last step that is taken in. While `is_behind`, later ones are there.
    through: Mapped[int] = mapped_column(default=0)
    is_behind: Mapped[bool] = mapped_column(default=True)
    #: Only read where points are taken in: they are some kilobytes.
    measurements: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)
    figures: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: By attempt: after which step it began, and on what machine.
    starts: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Checkpoint(Base):
    """A checkpoint that exists: its message came through. `path` is below the storage root `root_id`."""

    __tablename__ = "checkpoints"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    attempt: Mapped[int]
    root_id: Mapped[str] = mapped_column(String(64))
    path: Mapped[str] = mapped_column(String(1024))
    step: Mapped[int]
    epoch: Mapped[float]
    elapsed_seconds: Mapped[float]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    best: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class LogLine(Base):
    __tablename__ = "log_lines"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    attempt: Mapped[int]
    at: Mapped[datetime]
    line: Mapped[str] = mapped_column(Text)


class Comparison(Base):
    """Runs that are alike in everything but what their arms change, and the seed.

    `config`, `arms` and `plan` are what was asked for; None in comparisons from before there were arms. `seeds` are
    those that have been launched, in their order. A sequential one is open until it needs no more of them.
    """

    __tablename__ = "comparisons"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    factor: Mapped[str] = mapped_column(String(32))
    mode: Mapped[str] = mapped_column(String(16))
    config: Mapped[dict[str, Any] | None] = mapped_column(_JsonOrNull)
    arms: Mapped[list[dict[str, Any]] | None] = mapped_column(_JsonOrNull)
    plan: Mapped[dict[str, Any] | None] = mapped_column(_JsonOrNull)
    seeds: Mapped[list[int] | None] = mapped_column(_JsonOrNull)
    #: What was changed in plan and seeds after the first run had started.
    deviations: Mapped[list[dict[str, Any]] | None] = mapped_column(_JsonOrNull)
    is_open: Mapped[bool] = mapped_column(default=False, server_default=false(), index=True)
    #: Why a sequential one takes no more seeds.
    ended_reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    change: Mapped[int] = mapped_column(index=True)


class Dataset(Base):
    """A name for a folder of images. Only people use it: a run's configuration holds kind and folder themselves."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    dataset: Mapped[str] = mapped_column(String(32))
    data_dir: Mapped[str] = mapped_column(String(4096))
    created_at: Mapped[datetime]


class Worker(Base):
    """A worker as it last said of itself; `seen_at` is the controller's clock."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    boot_id: Mapped[str] = mapped_column(String(64))
    host: Mapped[str] = mapped_column(String(255))
    root_id: Mapped[str] = mapped_column(String(64))
    devices: Mapped[list[str]]
    free_devices: Mapped[list[str]]
    holding: Mapped[list[str]]
    versions: Mapped[dict[str, Any]]
    seen_at: Mapped[datetime]
    gone: Mapped[bool] = mapped_column(default=False)
    #: Where this start runs: two starts of one place are never alive together. "" where that is not known.
    place: Mapped[str] = mapped_column(String(64), default="")
    #: The number of the contract that it speaks.
    contract: Mapped[int] = mapped_column(default=1)
    #: By how many seconds its clock was ahead of the controller's, at the last few times that it was heard.
    clock_skews: Mapped[list[float]] = mapped_column(default=list)
    #: The last ring that this start refused, and why.
    refusal: Mapped[str | None] = mapped_column(Text)
    #: Another start with the same identity that is refused while this one is heard: its boot_id and host.
    rival: Mapped[dict[str, Any] | None]


class Ringing(Base):
    """What came of the rings of a queued run, where that is nothing so far."""

    __tablename__ = "ringing"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int]
    #: Rings of this attempt that nobody answered with a claim, and until when others are rung in its place.
    unanswered: Mapped[int] = mapped_column(default=0)
    passed_over_until: Mapped[datetime | None]
    #: By the worker that refused it: {"boot_id": its start, "host": its machine, "why": the reason}.
    refusals: Mapped[dict[str, Any]] = mapped_column(default=dict)


class WorkerStorage(Base):
    """What a worker said of its disks: why it takes no runs, and the room where its checkpoints go."""

    __tablename__ = "worker_storage"

    worker_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    unavailable_reason: Mapped[str | None] = mapped_column(Text)
    free_bytes: Mapped[int | None] = mapped_column(BigInteger)
    total_bytes: Mapped[int | None] = mapped_column(BigInteger)
    reserve_bytes: Mapped[int | None] = mapped_column(BigInteger)


class ServiceHold(Base):
    """Why the service itself starts no run at the moment; no row where it does."""

    __tablename__ = "service_holds"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)


class ChangeCounter(Base):
    """One row: the number of the last transaction that changed what a page shows."""

    __tablename__ = "change_counter"

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


class Change(Base):
    """What each numbered transaction changed, for the live stream. The oldest are pruned; a cursor below is `reset`."""

    __tablename__ = "changes"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    number: Mapped[int] = mapped_column(Integer, index=True)
    kind: Mapped[str] = mapped_column(String(16))  # run, points, rewound, deleted, comparison, log, workers, datasets
    subject: Mapped[str] = mapped_column(String(32))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class SetAside(Base):
    """A message that could not be parsed, or of an unknown run; kept so that a person can look."""

    __tablename__ = "set_aside"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    entry_id: Mapped[str] = mapped_column(String(64))
    why: Mapped[str] = mapped_column(Text)
    message: Mapped[str] = mapped_column(Text)


class IdempotencyKey(Base):
    """The answer to a creating POST, given again when the same key comes again."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    path: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    created_id: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime]


class ControllerPulse(Base):
    """One row: when the controller last finished a round, so that GET /health can tell whether it lives."""

    __tablename__ = "controller_pulse"

    id: Mapped[int] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime]
    set_aside: Mapped[int] = mapped_column(default=0)
    #: What Redis answers where it takes no writes; None while it takes them.
    redis_refuses: Mapped[str | None] = mapped_column(Text)
