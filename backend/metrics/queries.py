"""Reading curves."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import InstrumentedAttribute

from backend.db.changes import current_change
from backend.db.session import Database
from backend.db.tables import Change, Metric
from backend.metrics import buckets
from backend.metrics.thinning import CurvePoint, thin, thin_by
from backend.runs.queries import get_run
from worker.contract.text import csv_text

_STEPS_READ_AT_ONCE = 10_000
_ROWS_READ_AT_ONCE = 5_000
#: Up to so many points for each that is shown, reading all of them is quick, and thins more evenly.
_READ_PER_SHOWN = 3


class Axis(StrEnum):
    STEP = "step"
    EPOCH = "epoch"
    TIME = "time"


_COLUMNS: dict[Axis, InstrumentedAttribute[Any]] = {
    Axis.STEP: Metric.step,
    Axis.EPOCH: Metric.epoch,
    Axis.TIME: Metric.elapsed_seconds,
}


class Series(BaseModel):
    """One curve. `exact` is false where points were left out; what was not finite is null."""

    name: str
    x: list[float]
    values: list[float | None]
    steps: list[int]
    exact: bool


class Curves(BaseModel):
    """`cursor` is the change number to send as `since` for what is new; `rewound_to` says that, since then, all points
    after that step were taken back."""

    series: list[Series]
    cursor: int
    rewound_to: int | None = None


def read_curves(
    session: Session,
    run_id: str,
    *,
    names: Sequence[str] | None = None,
    axis: Axis = Axis.STEP,
    max_points: int | None = None,
    since: int | None = None,
) -> Curves:
    """All curves of a run, or those named (an unknown one is empty); only what is newer than change `since`.

    Raises NotFound.
    """
    get_run(session, run_id)
    rewound_to = None
    if since is not None:
        since, rewound_to = _still_known(session, run_id, since)
    wanted = names if names is not None else metric_names(session, run_id)
    return Curves(
        series=[_series(session, run_id, name, axis=axis, max_points=max_points, since=since) for name in wanted],
        cursor=current_change(session),
        rewound_to=rewound_to,
    )


def metric_names(session: Session, run_id: str) -> list[str]:
    """Hops along the primary key: a DISTINCT would read every point of the run."""
    names: list[str] = []
    while True:
        following = select(func.min(Metric.name)).where(Metric.run_id == run_id)
        name = session.execute(following.where(Metric.name > names[-1]) if names else following).scalar_one()
        if name is None:
            return names
        names.append(name)


def csv_lines(database: Database, run_id: str, names: Sequence[str]) -> Iterator[str]:
    """A header, then a row for each step. It reads in pieces: whoever takes it slowly holds no transaction open."""
    yield _csv(["step", "epoch", "elapsed_seconds", "at", *map(csv_text, names)])
    start = 0
    while True:
        with database.read() as session:
            rest = select(func.min(Metric.step)).where(Metric.run_id == run_id, Metric.name.in_(names))
            first = session.execute(rest.where(Metric.step >= start)).scalar_one()
            if first is None:
                return
            start = first + _STEPS_READ_AT_ONCE
            piece = _rows(session, run_id, names, first=first, end=start)
        yield piece


def _csv(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _rows(session: Session, run_id: str, names: Sequence[str], *, first: int, end: int) -> str:
    columns = (Metric.step, Metric.epoch, Metric.elapsed_seconds, Metric.at, Metric.name, Metric.value)
    within = (Metric.run_id == run_id, Metric.name.in_(names), Metric.step >= first, Metric.step < end)
    rows: dict[int, list[str]] = {}
    for step, epoch, elapsed, at, name, value in session.execute(select(*columns).where(*within)):
        moment = at.astimezone(UTC).isoformat()
        row = rows.setdefault(step, [str(step), repr(epoch), repr(elapsed), moment, *([""] * len(names))])
        row[4 + names.index(name)] = "" if value is None else repr(value)
    return "".join(",".join(rows[step]) + "\n" for step in sorted(rows))


def _still_known(session: Session, run_id: str, since: int) -> tuple[int | None, int | None]:
    """Whence to read, and to which step the run went back since; everything anew where that is not known any more."""
    oldest = session.execute(select(func.min(Change.number))).scalar_one()
    if since > current_change(session) or (oldest is not None and since < oldest - 1):
        return None, 0
    rewinds = select(Change.detail).where(Change.number > since, Change.kind == "rewound", Change.subject == run_id)
    steps = [detail["step"] for detail in session.execute(rewinds).scalars()]
    return since, min(steps, default=None)


def _series(
    session: Session, run_id: str, name: str, *, axis: Axis, max_points: int | None, since: int | None
) -> Series:
    if since is not None:
        points = list(_points(session, run_id, name, axis, newer_than=since))
        shown = points if max_points is None else _thinned(points, len(points), max_points)
        return _as_series(name, shown, exact=len(shown) == len(points))
    if max_points is None:
        return _as_series(name, list(_points(session, run_id, name, axis)), exact=True)
    return _thinned_series(session, run_id, name, axis=axis, max_points=max_points)


def _thinned_series(session: Session, run_id: str, name: str, *, axis: Axis, max_points: int) -> Series:
    """From points where they are few, else from the extremes of stretches that are kept beside them."""
    made = buckets.made_through(session, run_id, name)
    behind = _count(session, run_id, name, after=made.last_step)
    count = made.count * buckets.POINTS_OF_BUCKET + behind
    if count <= max_points * _READ_PER_SHOWN or not made.count:
        shown = _thinned(_points(session, run_id, name, axis), count, max_points, has_gaps=True)
        return _as_series(name, shown, exact=count <= max_points)
    shown = _from_buckets(session, run_id, name, axis=axis, max_points=max_points, made=made)
    return _as_series(name, shown, exact=False)


def _from_buckets(
    session: Session, run_id: str, name: str, *, axis: Axis, max_points: int, made: buckets.Made
) -> list[CurvePoint]:
    """Of the finest level whose extremes are no more than `max_points`."""
    # A bucket shows two points, as a rule.
    level = (-(-2 * made.count // max_points) - 1).bit_length()
    while True:
        size = buckets.POINTS_OF_BUCKET << level
        extremes = buckets.extremes(session, run_id, name, count=made.count, level=level)
        tail = thin_by(_points(session, run_id, name, axis, after=made.last_step), size=size)
        if len(extremes) + len(tail) + 1 <= max_points or made.count >> level <= 1:
            break
        level += 1
    shown = [*_first_and(session, run_id, name, axis, extremes), *tail]
    # A tail that is long, because no controller has run since, and a handful of points that are asked for.
    return _thinned(shown, len(shown), max_points)


def _first_and(
    session: Session, run_id: str, name: str, axis: Axis, extremes: Mapping[int, float | None]
) -> list[CurvePoint]:
    """The first point and those of `extremes` (values by step), in their order."""
    first = buckets.first_step(session, run_id, name)
    if axis is not Axis.STEP:
        # The buckets know of no other axis.
        return _points_at(session, run_id, name, axis, {*extremes, first} - {None})
    unread = _points_at(session, run_id, name, axis, {first} - {None} - extremes.keys())
    return sorted([*unread, *(CurvePoint(step, step, value) for step, value in extremes.items())])


def _thinned(
    points: Iterable[CurvePoint], count: int, max_points: int, *, has_gaps: bool | None = None
) -> list[CurvePoint]:
    if has_gaps is None:
        points = list(points)
        has_gaps = any(point.value is None for point in points)
    return thin(points, count=count, has_gaps=has_gaps, max_points=max_points)


def _points(
    session: Session, run_id: str, name: str, axis: Axis, *, after: int | None = None, newer_than: int | None = None
) -> Iterator[CurvePoint]:
    """In their order, read in portions."""
    of_name = select(Metric.step, _COLUMNS[axis], Metric.value).where(Metric.name == name)
    if newer_than is not None:
        # By their change alone: given the run by itself, SQLite looks through all of its points for the few.
        of_name = of_name.where(Metric.change > newer_than, func.coalesce(Metric.run_id, "") == run_id)
    else:
        of_name = of_name.where(Metric.run_id == run_id)
    if after is not None:
        of_name = of_name.where(Metric.step > after)
    # Past the session, which takes twice the time for rows that are no objects of its own.
    in_portions = {"yield_per": _ROWS_READ_AT_ONCE}
    rows = session.connection().execute(of_name.order_by(Metric.step), execution_options=in_portions)
    return map(CurvePoint._make, rows)


def _points_at(session: Session, run_id: str, name: str, axis: Axis, steps: Set[int | None]) -> list[CurvePoint]:
    of_name = select(Metric.step, _COLUMNS[axis], Metric.value).where(Metric.run_id == run_id, Metric.name == name)
    rows = session.connection().execute(of_name.where(Metric.step.in_(steps)))
    return sorted(map(CurvePoint._make, rows))


def _count(session: Session, run_id: str, name: str, *, after: int) -> int:
    of_name = select(func.count()).where(Metric.run_id == run_id, Metric.name == name, Metric.step > after)
    return session.execute(of_name).scalar_one()


def _as_series(name: str, shown: Sequence[CurvePoint], *, exact: bool) -> Series:
    return Series(
        name=name,
        x=[point.x for point in shown],
        values=[point.value for point in shown],
        steps=[point.step for point in shown],
        exact=exact,
    )
