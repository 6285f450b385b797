"""Extremes of a curve's stretches, kept beside its points, so that a long curve is read thinned in a short time.

A bucket of level 0 is POINTS_OF_BUCKET points of one metric in their order; one of level l + 1 is two of level l. They
are made of what is behind a run's newest step, by the controller and after the points, so that storing points costs
nothing more; what comes late or is taken back removes every bucket from there on, and they are made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select
from sqlalchemy.orm import Session

from backend.db.tables import Metric, MetricBucket, Run

POINTS_OF_BUCKET = 16
#: Of one metric in one transaction, which other writers wait for.
POINTS_AT_ONCE = 64 * POINTS_OF_BUCKET

Row = dict[str, Any]


def forget_from(session: Session, run_id: str, step: int) -> None:
    """Removes the buckets that hold points at `step` or later."""
    session.execute(delete(MetricBucket).where(MetricBucket.run_id == run_id, MetricBucket.last_step >= step))


def build(session: Session, run_id: str, names: Iterable[str]) -> bool:
    """Makes buckets of what has none; is there more than was made at once?"""
    newest = session.execute(select(Run.step).where(Run.id == run_id)).scalar_one_or_none()
    if newest is None:
        return False
    unfinished = [name for name in names if _build_of(session, run_id, name, newest=newest)]
    return bool(unfinished)


def _build_of(session: Session, run_id: str, name: str, *, newest: int) -> bool:
    """What stands at the newest step may still be replaced, so it is left for later."""
    made = made_through(session, run_id, name)
    of_name = select(Metric.step, Metric.value).where(Metric.run_id == run_id, Metric.name == name)
    behind = of_name.where(Metric.step > made.last_step, Metric.step < newest).order_by(Metric.step)
    points = [(step, value) for step, value in session.execute(behind.limit(POINTS_AT_ONCE))]
    whole = len(points) // POINTS_OF_BUCKET
    if whole == 0:
        return False
    chunks = (
        points[start : start + POINTS_OF_BUCKET] for start in range(0, whole * POINTS_OF_BUCKET, POINTS_OF_BUCKET)
    )
    rows = [_bucket(made.count + number, chunk) for number, chunk in enumerate(chunks)]
    level = 0
    while rows:
        same = {"run_id": run_id, "name": name, "level": level}
        session.execute(insert(MetricBucket), [same | row for row in rows])
        rows = _paired(session, run_id, name, level=level)
        level += 1
    return len(points) == POINTS_AT_ONCE


class Made:
    """How many buckets of level 0 there are, and the last step in them."""

    def __init__(self, count: int, last_step: int) -> None:
        self.count = count
        self.last_step = last_step


def made_through(session: Session, run_id: str, name: str) -> Made:
    newest = select(MetricBucket.number, MetricBucket.last_step).where(*_of_level(run_id, name, 0))
    found = session.execute(newest.order_by(MetricBucket.number.desc()).limit(1)).one_or_none()
    return Made(found[0] + 1, found[1]) if found is not None else Made(0, -1)


def _of_level(run_id: str, name: str, level: int) -> tuple[ColumnElement[bool], ...]:
    return MetricBucket.run_id == run_id, MetricBucket.name == name, MetricBucket.level == level


def _bucket(number: int, points: Sequence[tuple[int, float | None]]) -> Row:
    finite = [(value, step) for step, value in points if value is not None]
    least = min(finite, default=(None, None))
    greatest = max(finite, key=lambda item: item[0], default=(None, None))
    return {
        "number": number,
        "last_step": points[-1][0],
        "min_value": least[0],
        "min_step": least[1],
        "max_value": greatest[0],
        "max_step": greatest[1],
        "gap_step": next((step for step, value in points if value is None), None),
    }


def _paired(session: Session, run_id: str, name: str, *, level: int) -> list[Row]:
    """The buckets of the next level that can be made of those of `level` by now."""
    of_next = select(func.max(MetricBucket.number)).where(*_of_level(run_id, name, level + 1))
    newest = session.execute(of_next).scalar_one()
    number = 0 if newest is None else newest + 1
    table = MetricBucket
    columns = (table.last_step, table.min_value, table.min_step, table.max_value, table.max_step, table.gap_step)
    children = select(*columns).where(*_of_level(run_id, name, level), table.number >= 2 * number)
    rows = [row._asdict() for row in session.execute(children.order_by(table.number))]
    pairs = zip(rows[::2], rows[1::2], strict=False)
    return [_merged(number + place, *pair) for place, pair in enumerate(pairs)]


def _merged(number: int, first: Row, second: Row) -> Row:
    least = min((row for row in (first, second) if row["min_value"] is not None), key=_least, default=first)
    greatest = max((row for row in (first, second) if row["max_value"] is not None), key=_greatest, default=first)
    return {
        "number": number,
        "last_step": second["last_step"],
        "min_value": least["min_value"],
        "min_step": least["min_step"],
        "max_value": greatest["max_value"],
        "max_step": greatest["max_step"],
        "gap_step": first["gap_step"] if first["gap_step"] is not None else second["gap_step"],
    }


def _least(row: Row) -> float:
    return float(row["min_value"])


def _greatest(row: Row) -> float:
    return float(row["max_value"])


def extremes(session: Session, run_id: str, name: str, *, count: int, level: int) -> dict[int, float | None]:
    """Values by step of the extremes in all `count` buckets of level 0, read from `level` and, at the end, from below.

    Those that were not finite are None.
    """
    table, connection = MetricBucket, session.connection()
    columns = (table.min_step, table.min_value, table.max_step, table.max_value, table.gap_step)
    rows = list(connection.execute(select(*columns).where(*_of_level(run_id, name, level))))
    # One by one along the primary key: with "or" between them, SQLite reads the buckets of all levels.
    for lower, number in _rest(count, level):
        one = select(*columns).where(*_of_level(run_id, name, lower), MetricBucket.number == number)
        rows += connection.execute(one)
    found: dict[int, float | None] = {}
    for min_step, min_value, max_step, max_value, gap_step in rows:
        if min_step is not None and max_step is not None:
            found[min_step], found[max_step] = min_value, max_value
        if gap_step is not None:
            found[gap_step] = None
    return found


def _rest(count: int, level: int) -> Iterator[tuple[int, int]]:
    """Level and number of the buckets behind the last whole one of `level`: at most one of each lower level."""
    for lower in range(level):
        if count >> lower & 1:
            yield lower, (count >> lower) - 1


def first_step(session: Session, run_id: str, name: str) -> int | None:
    of_name = select(func.min(Metric.step)).where(Metric.run_id == run_id, Metric.name == name)
    return session.execute(of_name).scalar_one()
