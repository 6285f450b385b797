"""What each message of an attempt does in SQL. They come in their order, each exactly once (see ingest.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.orm import Session

from backend.controller.exits import crash, leave
from backend.db.changes import note_change
from backend.db.clock import service_now
from backend.db.tables import Attempt, Checkpoint, LogLine, Run, RunEvent
from backend.metrics.ingest import rewind, store_points
from backend.runs.results import note_start
from backend.runs.transitions import change_status
from worker.contract.messages import (
    CheckpointRemoved,
    CheckpointSaved,
    Completed,
    Failed,
    LogLines,
    MetricBatch,
    Notice,
    Paused,
    Released,
    Sequenced,
    Started,
    Stopped,
)
from worker.contract.status import Actor, RunStatus

_LINE_LENGTH = 4000
_LAST_LINE = select(func.coalesce(func.max(LogLine.id), 0))


@dataclass(frozen=True)
class Speaker:
    """Who says it: an attempt of a run. `is_current` while no newer attempt has taken its place."""

    session: Session
    run: Run
    attempt: Attempt

    @property
    def is_current(self) -> bool:
        return self.attempt.attempt == self.run.attempt

    @property
    def holds(self) -> bool:
        """Is it the one whose word changes the status?"""
        return self.is_current and RunStatus(self.run.status).is_live


def handle(speaker: Speaker, message: Sequenced) -> None:
    _HANDLERS[type(message)](speaker, message)


def _started(speaker: Speaker, message: Started) -> None:
    session, run = speaker.session, speaker.run
    speaker.attempt.started_step = message.step
    if rewind(session, run, attempt=message.attempt, step=message.step):
        note_change(session, "rewound", run.id, {"step": message.step})
        _record(speaker, kind="rewound", text=f"went back to step {message.step}")
    _drop_later_checkpoints(speaker, message)
    note_start(session, run, message)
    if not speaker.is_current:
        return
    told = ("device", "threads", "loader_processes", "parameters", "blocks", "versions", "epochs")
    run.facts = run.facts | message.model_dump(include=set(told))
    run.steps_per_epoch = message.steps_per_epoch
    _show_step(run, message.step)
    run.change = note_change(session, "run", run.id)
    if run.status == RunStatus.STARTING:
        change_status(session, run, to=RunStatus.RUNNING, by=Actor.HOLDER)


def _drop_later_checkpoints(speaker: Speaker, message: Started) -> None:
    """A later checkpoint that this attempt passed over (it was damaged) has no part in what follows from here."""
    later = delete(Checkpoint).where(Checkpoint.run_id == message.run_id, Checkpoint.attempt < message.attempt)
    speaker.session.execute(later.where(Checkpoint.step > message.step))


def _metrics(speaker: Speaker, message: MetricBatch) -> None:
    store_points(speaker.session, speaker.run, attempt=message.attempt, points=message.points)


def _checkpoint_saved(speaker: Speaker, message: CheckpointSaved) -> None:
    session, run = speaker.session, speaker.run
    if _is_superseded(speaker, message.step):
        return
    saved = _remembered(message, at=service_now(session))
    saved.best = message.best and not _newer_best(speaker)
    if saved.best:
        session.execute(update(Checkpoint).where(Checkpoint.run_id == run.id).values(best=False))
    _forget(session, message)
    session.add(saved)
    if speaker.is_current:
        run.crashes = 0
    run.change = note_change(session, "run", run.id)


def _remembered(message: CheckpointSaved, *, at: datetime) -> Checkpoint:
    told = {"run_id", "attempt", "root_id", "path", "step", "epoch", "elapsed_seconds", "size_bytes", "sha256"}
    return Checkpoint(created_at=at, **message.model_dump(include=told))


def _is_superseded(speaker: Speaker, step: int) -> bool:
    """Has a newer attempt gone on from before `step`?"""
    newer = _newer(speaker, Attempt).where(Attempt.started_step < step)
    return not speaker.is_current and speaker.session.execute(newer.limit(1)).first() is not None


def _newer_best(speaker: Speaker) -> bool:
    """Has a newer attempt named the best already, when this one is heard late?"""
    newer = _newer(speaker, Checkpoint).where(Checkpoint.best)
    return not speaker.is_current and speaker.session.execute(newer.limit(1)).first() is not None


def _newer(speaker: Speaker, table: type[Attempt] | type[Checkpoint]) -> Select[int]:
    return select(table.attempt).where(table.run_id == speaker.run.id, table.attempt > speaker.attempt.attempt)


def _forget(session: Session, message: CheckpointSaved | CheckpointRemoved) -> None:
    same = (Checkpoint.run_id == message.run_id, Checkpoint.root_id == message.root_id)
    session.execute(delete(Checkpoint).where(*same, Checkpoint.path == message.path))


def _checkpoint_removed(speaker: Speaker, message: CheckpointRemoved) -> None:
    _forget(speaker.session, message)
    speaker.run.change = note_change(speaker.session, "run", speaker.run.id)


def _log(speaker: Speaker, message: LogLines) -> None:
    """Past the session, as with points; housekeeping removes the oldest lines."""
    if not message.lines:
        return
    same = {"run_id": speaker.run.id, "attempt": message.attempt, "at": service_now(speaker.session)}
    connection = speaker.session.connection()
    before = connection.execute(_LAST_LINE).scalar_one()
    connection.execute(insert(LogLine), [same | {"line": line[:_LINE_LENGTH]} for line in message.lines])
    detail = {"first": before + 1, "last": connection.execute(_LAST_LINE).scalar_one()}
    note_change(speaker.session, "log", speaker.run.id, detail)


def _notice(speaker: Speaker, message: Notice) -> None:
    _record(speaker, kind="notice", text=message.text)
    speaker.run.change = note_change(speaker.session, "run", speaker.run.id)


def _paused(speaker: Speaker, message: Paused) -> None:
    if speaker.holds:
        _show_step(speaker.run, message.step)
        more = f": {message.reason}" if message.reason else ""
        leave(speaker.session, speaker.run, by=Actor.HOLDER, reason=f"goes on after step {message.step}{more}")


def _stopped(speaker: Speaker, message: Stopped) -> None:
    if speaker.holds:
        leave(speaker.session, speaker.run, by=Actor.HOLDER, reason=message.reason or None)


def _released(speaker: Speaker, message: Released) -> None:
    if not speaker.holds:
        return
    if message.crashed:
        crash(speaker.session, speaker.run, by=Actor.HOLDER, reason=message.reason, log_tail=message.log_tail)
    else:
        leave(speaker.session, speaker.run, by=Actor.HOLDER, reason=message.reason)


def _completed(speaker: Speaker, message: Completed) -> None:
    if speaker.holds:
        _show_step(speaker.run, message.step)
        speaker.run.elapsed_seconds = message.elapsed_seconds
        change_status(speaker.session, speaker.run, to=RunStatus.COMPLETED, by=Actor.HOLDER)


def _failed(speaker: Speaker, message: Failed) -> None:
    if speaker.holds:
        change_status(speaker.session, speaker.run, to=RunStatus.FAILED, by=Actor.HOLDER, reason=message.reason)


def _show_step(run: Run, step: int) -> None:
    run.step = step
    if run.steps_per_epoch:
        run.epoch = step / run.steps_per_epoch


def _record(speaker: Speaker, *, kind: str, text: str) -> None:
    """Dated by the service, as all events are: its order is not to depend on a worker's clock."""
    event = RunEvent(run_id=speaker.run.id, at=service_now(speaker.session), attempt=speaker.attempt.attempt, kind=kind)
    event.text = text
    speaker.session.add(event)


_HANDLERS: dict[type[Sequenced], Callable[[Speaker, Any], None]] = {
    Started: _started,
    MetricBatch: _metrics,
    CheckpointSaved: _checkpoint_saved,
    CheckpointRemoved: _checkpoint_removed,
    LogLines: _log,
    Notice: _notice,
    Paused: _paused,
    Stopped: _stopped,
    Released: _released,
    Completed: _completed,
    Failed: _failed,
}
