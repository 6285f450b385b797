"""Reading curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from backend.metrics.thinning import CurvePoint, thin
from backend.runs.queries import get_run

_STEPS_READ_AT_ONCE = 10_000


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
    yield ",".join(["step", "epoch", "elapsed_seconds", "at", *names]) + "\n"
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
    of_name = select(Metric.step, _COLUMNS[axis], Metric.value).where(Metric.run_id == run_id, Metric.name == name)
    if since is not None:
        of_name = of_name.where(Metric.change > since)
    points = [CurvePoint(*row) for row in session.execute(of_name.order_by(Metric.step))]
    shown = thin(points, max_points=max_points) if max_points is not None else points
    return Series(
        name=name,
        x=[point.x for point in shown],
        values=[point.value for point in shown],
        steps=[point.step for point in shown],
        exact=len(shown) == len(points),
    )
