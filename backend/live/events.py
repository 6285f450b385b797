"""What changed since a number, as events of the stream."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.compare.queries import comparison_views
from backend.db.changes import current_change
from backend.db.tables import Change, Comparison, LogLine, Metric, Run
from backend.runs.queries import log_view
from backend.runs.views import views_of
from backend.workers.queries import list_workers

Row = TypeVar("Row", Run, Comparison)

#: Whoever is further behind loads its view anew, which is faster than hearing all of it.
FURTHEST_BEHIND = 5000


@dataclass(frozen=True)
class Event:
    """`only_for` is the run whose watchers alone get it; None goes to everybody."""

    number: int
    kind: str
    data: str
    only_for: str | None = None


@dataclass(frozen=True)
class Batch:
    """All events of the changes up to and including number `through`, in the order of their numbers."""

    through: int
    events: Sequence[Event] = field(default_factory=tuple)


def is_known(session: Session, since: int) -> bool:
    """Can everything after change `since` still be told?"""
    current = current_change(session)
    if since == current:
        return True
    oldest = session.execute(select(func.min(Change.number))).scalar_one()
    return since < current and oldest is not None and oldest - 1 <= since and current - since <= FURTHEST_BEHIND


def read_changes(session: Session, *, after: int, through: int | None = None) -> Batch:
    """What changed after number `after`, up to `through` or the present.

    A run that changed several times is told once, as it is now, under the last of its numbers.
    """
    through = current_change(session) if through is None else through
    if through <= after:
        return Batch(through=after)
    within = select(Change).where(Change.number > after, Change.number <= through)
    changes = list(session.execute(within.order_by(Change.number, Change.id)).scalars())
    events = [
        *_runs(session, changes),
        *_points(session, changes, after=after, through=through),
        *_logs(session, changes),
        *_comparisons(session, changes),
        *_workers(session, changes),
        *_datasets(changes),
        *_told(changes),
    ]
    return Batch(through=through, events=sorted(events, key=lambda event: (event.number, _ORDER[event.kind])))


# What is taken back comes before what is new, and the points before the run whose progress they made.
_KINDS = ("rewound", "points", "log", "run", "deleted", "comparison", "workers", "datasets")
_ORDER = {kind: rank for rank, kind in enumerate(_KINDS)}


def _last_numbers(changes: Iterable[Change], kind: str) -> dict[str, int]:
    return {change.subject: change.number for change in changes if change.kind == kind}


def _runs(session: Session, changes: Sequence[Change]) -> Iterable[Event]:
    numbers = _last_numbers(changes, "run")
    runs = _some(session, Run, numbers)
    for view in views_of(session, runs):
        yield Event(numbers[view.id], "run", view.model_dump_json(by_alias=True))


def _comparisons(session: Session, changes: Sequence[Change]) -> Iterable[Event]:
    """Comparisons that changed, and those one of whose runs did: their statuses and their verdict are another."""
    numbers = _last_numbers(changes, "comparison")
    run_numbers = _last_numbers(changes, "run")
    members = select(Run.id, Run.comparison_id).where(Run.id.in_(run_numbers), Run.comparison_id.is_not(None))
    for run_id, comparison_id in session.execute(members):
        assert comparison_id is not None
        numbers[comparison_id] = max(numbers.get(comparison_id, 0), run_numbers[run_id])
    for view in comparison_views(session, _some(session, Comparison, numbers)):
        yield Event(numbers[view.id], "comparison", view.model_dump_json(by_alias=True))


def _workers(session: Session, changes: Sequence[Change]) -> Iterable[Event]:
    numbers = _last_numbers(changes, "workers")
    if numbers:
        items = [view.model_dump(mode="json") for view in list_workers(session)]
        yield Event(max(numbers.values()), "workers", json.dumps({"items": items}))


def _datasets(changes: Sequence[Change]) -> Iterable[Event]:
    """Only that they are others now: to list them looks into folders, and a slow one would hold up every page."""
    numbers = _last_numbers(changes, "datasets")
    if numbers:
        yield Event(max(numbers.values()), "datasets", "{}")


def _points(session: Session, changes: Sequence[Change], *, after: int, through: int) -> Iterable[Event]:
    """The points of each number. Rows that a later number touched again come under that one."""
    run_ids = _last_numbers(changes, "points")
    if not run_ids:
        return
    # By their change alone: given the runs by themselves, SQLite looks through all of their points for the few.
    of_runs = func.coalesce(Metric.run_id, "").in_(run_ids)
    rows = select(Metric).where(Metric.change > after, Metric.change <= through, of_runs)
    steps: dict[tuple[int, str], dict[int, dict[str, Any]]] = defaultdict(dict)
    for row in session.execute(rows.order_by(Metric.step)).scalars():
        point = steps[row.change, row.run_id].setdefault(row.step, _empty_point(row))
        point["values"][row.name] = row.value
    for (number, run_id), points in steps.items():
        data = json.dumps({"run_id": run_id, "points": list(points.values())})
        yield Event(number, "points", data, only_for=run_id)


def _empty_point(row: Metric) -> dict[str, Any]:
    return {
        "step": row.step,
        "epoch": row.epoch,
        "elapsed_seconds": row.elapsed_seconds,
        "at": _rfc3339(row.at),
        "values": {},
    }


def _logs(session: Session, changes: Sequence[Change]) -> Iterable[Event]:
    """The lines that came with each change, whose detail names the first and the last of them."""
    for change in changes:
        if change.kind != "log" or not change.detail:
            continue
        first, last = change.detail["first"], change.detail["last"]
        of_run = select(LogLine).where(LogLine.run_id == change.subject, LogLine.id >= first, LogLine.id <= last)
        lines = [log_view(line) for line in session.execute(of_run.order_by(LogLine.id)).scalars()]
        data = json.dumps({"run_id": change.subject, "lines": [line.model_dump(mode="json") for line in lines]})
        yield Event(change.number, "log", data, only_for=change.subject)


def _told(changes: Sequence[Change]) -> Iterable[Event]:
    """Changes whose detail says it all."""
    for change in changes:
        if change.kind == "rewound":
            data = json.dumps({"run_id": change.subject, "step": change.detail["step"]})
            yield Event(change.number, "rewound", data)
        if change.kind == "deleted":
            yield Event(change.number, "deleted", json.dumps(change.detail or {"run_id": change.subject}))


def _some(session: Session, kind: type[Row], ids: Iterable[str]) -> Sequence[Row]:
    return session.execute(select(kind).where(kind.id.in_(list(ids)))).scalars().all()


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
