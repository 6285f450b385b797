"""Points into SQL, and what a run shows of them: its step, its latest values, its best accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Table, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend.db.changes import note_change
from backend.db.clock import service_now
from backend.db.tables import Attempt, Metric, Run
from backend.metrics.buckets import forget_from
from backend.runs import results
from worker.contract import names
from worker.contract.messages import Point


def store_points(session: Session, run: Run, *, attempt: int, points: Sequence[Point]) -> None:
    """Stores what of `points` counts; storing them again changes nothing.

    Of an older attempt only what lies up to the step from which a newer one resumed counts. What the run came to as a
    whole follows with `results.refresh`, once in a transaction.
    """
    last_step = _superseded_after(session, run.id, attempt) if attempt < run.attempt else None
    counted = [point for point in points if last_step is None or point.step <= last_step]
    if not counted:
        return
    oldest = min(point.step for point in counted)
    if oldest < run.step:
        forget_from(session, run.id, oldest)
    change = run.change = note_change(session, "run", run.id)
    note_change(session, "points", run.id)
    rows = [row for point in counted for row in _rows(run.id, attempt, point, change)]
    if rows:
        # Past the session, which would write the run's changed columns before each of a thousand messages.
        session.connection().execute(_UPSERTS[session.get_bind().dialect.name], rows)
        results.note_points(session, run, counted)
    _show(session, run, counted)


def rewind(session: Session, run: Run, *, attempt: int, step: int) -> bool:
    """Removes what attempts before `attempt` measured after `step`, from where it resumed; was there anything?"""
    forget_from(session, run.id, step)
    later = delete(Metric).where(Metric.run_id == run.id, Metric.attempt < attempt, Metric.step > step)
    if session.execute(later).rowcount == 0:  # type: ignore[attr-defined]
        return False
    run.latest = {name: _last_value(session, run.id, name) for name in _names(session, run.id)}
    _show_best(session, run)
    results.forget(session, run)
    results.refresh(session, run)
    return True


def _superseded_after(session: Session, run_id: str, attempt: int) -> int | None:
    """The lowest step from which an attempt newer than `attempt` resumed; None while none has."""
    newer = select(func.min(Attempt.started_step)).where(Attempt.run_id == run_id, Attempt.attempt > attempt)
    return session.execute(newer).scalar_one()


def _rows(run_id: str, attempt: int, point: Point, change: int) -> list[dict[str, Any]]:
    same = {"run_id": run_id, "attempt": attempt, "step": point.step, "epoch": point.epoch, "at": point.at}
    same |= {"elapsed_seconds": point.elapsed_seconds, "change": change}
    return [same | {"name": name, "value": _finite(value)} for name, value in point.values.items()]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _upsert(insert: postgresql.Insert | sqlite.Insert) -> postgresql.Insert | sqlite.Insert:
    """What is reported again replaces the first; that is never an older attempt's, which ends where a newer began."""
    of_point = ("attempt", "epoch", "elapsed_seconds", "at", "value", "change")
    values = {name: insert.excluded[name] for name in of_point}
    return insert.on_conflict_do_update(index_elements=["run_id", "name", "step"], set_=values)


_TABLE = cast(Table, Metric.__table__)
_UPSERTS = {"postgresql": _upsert(postgresql.insert(_TABLE)), "sqlite": _upsert(sqlite.insert(_TABLE))}


def _show(session: Session, run: Run, points: Sequence[Point]) -> None:
    newest = max(points, key=lambda point: point.step)
    if all(point.step >= run.step for point in points):
        fresh = {name: value for point in _in_order(points) for name, value in point.values.items()}
        run.latest = run.latest | {name: _finite(value) for name, value in fresh.items()}
    else:
        changed = {name for point in points for name in point.values}
        run.latest = run.latest | {name: _last_value(session, run.id, name) for name in changed}
    if newest.step >= run.step:
        run.step, run.epoch, run.elapsed_seconds = newest.step, newest.epoch, newest.elapsed_seconds
    # When the service took it in: the point's own time is by the clock of another machine.
    run.last_point_at = service_now(session)
    if any(names.Metric.VAL_TOP1 in point.values for point in points):
        _show_best(session, run)


def _in_order(points: Sequence[Point]) -> list[Point]:
    return sorted(points, key=lambda point: point.step)


def _show_best(session: Session, run: Run) -> None:
    best = (
        select(Metric.value, Metric.epoch)
        .where(Metric.run_id == run.id, Metric.name == names.Metric.VAL_TOP1, Metric.value.is_not(None))
        .order_by(Metric.value.desc(), Metric.step)
        .limit(1)
    )
    found = session.execute(best).one_or_none()
    run.best_top1, run.best_epoch = found if found is not None else (None, None)


def _names(session: Session, run_id: str) -> list[str]:
    return list(session.execute(select(Metric.name).where(Metric.run_id == run_id).distinct()).scalars())


def _last_value(session: Session, run_id: str, name: str) -> float | None:
    of_name = select(Metric.value).where(Metric.run_id == run_id, Metric.name == name)
    return session.execute(of_name.order_by(Metric.step.desc()).limit(1)).scalar_one_or_none()
