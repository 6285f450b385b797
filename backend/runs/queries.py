"""Reading runs: one, a page of them, the queue, what happened to one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import InstrumentedAttribute

from backend.cursors import Limit, PageQuery
from backend.db.tables import Checkpoint, LogLine, Run, RunEvent, folded_tags
from backend.errors import BadInput, NotFound
from backend.runs.inputs import MAX_TAG
from backend.runs.orders import QUEUE, RUN_SORTS, order_of_checkpoints, order_of_events, order_of_runs
from worker.contract.status import Desired, RunStatus
from worker.contract.text import folded

_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
#: A search for "r_" alone is one for a text.
_BEGINNING_OF_ID = re.compile(r"r_[a-z0-9]{1,30}")
_SHOWN = {"pausing": Desired.PAUSE, "stopping": Desired.STOP}
_LIVE = [status.value for status in RunStatus if status.is_live]
STATUSES = (*(status.value for status in RunStatus), *_SHOWN)

Searched = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Tagged = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TAG, pattern=r"^[^\x00-\x1f]*$")
]


class RunQuery(PageQuery):
    """Which runs, in which order. `status` takes several, separated by commas; `sort` begins with - to descend."""

    status: str | None = Field(None, description=f"Of {', '.join(STATUSES)}; several separated by commas.")
    q: Searched | None = Field(
        None, description="Words that all occur in name, tags or notes, or begin the id (r_...); case does not matter."
    )
    tag: Tagged | None = Field(None, description="A tag; case does not matter.")
    sort: str = Field("-created_at", description=f"Of {', '.join(RUN_SORTS)}; with - before it to descend.")
    limit: Limit = 50


class EventQuery(PageQuery):
    sort: Literal["at", "-at"] = Field("at", description="at: oldest first; -at: newest first.")


class EventView(BaseModel):
    at: datetime
    kind: str
    text: str
    before: str | None = Field(serialization_alias="from")
    after: str | None = Field(serialization_alias="to")
    attempt: int


class LogView(BaseModel):
    seq: int
    attempt: int
    at: datetime
    line: str


class CheckpointView(BaseModel):
    id: int
    step: int
    epoch: float
    attempt: int
    size_bytes: int
    sha256: str
    best: bool
    created_at: datetime


def get_run(session: Session, run_id: str) -> Run:
    """Raises NotFound."""
    # Asked of the database, a NUL would be an error of its driver.
    run = session.get(Run, run_id) if _RUN_ID.fullmatch(run_id) else None
    if run is None:
        raise NotFound(f"there is no run {run_id!r}")
    return run


def find_runs(session: Session, run_ids: Sequence[str]) -> tuple[list[Run], list[str]]:
    """Those that there are, in the order asked for and each once, and the ids of those that are missing."""
    ids = list(dict.fromkeys(run_ids))
    sound = [run_id for run_id in ids if _RUN_ID.fullmatch(run_id)]
    found = {run.id: run for run in session.execute(select(Run).where(Run.id.in_(sound))).scalars()}
    return [found[run_id] for run_id in ids if run_id in found], [run_id for run_id in ids if run_id not in found]


def list_runs(session: Session, query: RunQuery) -> tuple[list[Run], str | None]:
    """A page of runs and the cursor of the next one; raises BadInput for a sort, status or cursor that is none."""
    order = order_of_runs(query.sort)
    wanted = select(Run).where(*_conditions(query))
    return order.page(session, wanted, cursor=query.cursor, limit=query.limit)


def list_queue(session: Session, *, cursor: str | None, limit: int) -> tuple[list[Run], str | None]:
    """In the order in which they are rung; raises BadInput for a cursor that is none."""
    queued = select(Run).where(Run.status == RunStatus.QUEUED)
    return QUEUE.page(session, queued, cursor=cursor, limit=limit)


def list_events(
    session: Session, run_id: str, *, newest_first: bool, cursor: str | None, limit: int
) -> tuple[list[EventView], str | None]:
    """The history. Raises NotFound, and BadInput for a cursor that is none."""
    get_run(session, run_id)
    order = order_of_events(run_id, newest_first=newest_first)
    wanted = select(RunEvent).where(RunEvent.run_id == run_id)
    events, following = order.page(session, wanted, cursor=cursor, limit=limit)
    return [_event_view(event) for event in events], following


def _event_view(event: RunEvent) -> EventView:
    return EventView(
        at=event.at, kind=event.kind, text=event.text, before=event.before, after=event.after, attempt=event.attempt
    )


def list_logs(session: Session, run_id: str, *, after: int | None, limit: int) -> list[LogView]:
    """The lines after the one numbered `after`, or the last `limit` ones."""
    get_run(session, run_id)
    lines = select(LogLine).where(LogLine.run_id == run_id)
    if after is not None:
        found = list(session.execute(lines.where(LogLine.id > after).order_by(LogLine.id).limit(limit)).scalars())
    else:
        found = list(session.execute(lines.order_by(LogLine.id.desc()).limit(limit)).scalars())[::-1]
    return [log_view(line) for line in found]


def log_view(line: LogLine) -> LogView:
    return LogView(seq=line.id, attempt=line.attempt, at=line.at, line=line.line)


def list_checkpoints(
    session: Session, run_id: str, *, cursor: str | None, limit: int
) -> tuple[list[CheckpointView], str | None]:
    """Newest first. Raises NotFound, and BadInput for a cursor that is none."""
    get_run(session, run_id)
    wanted = select(Checkpoint).where(Checkpoint.run_id == run_id)
    found, following = order_of_checkpoints(run_id).page(session, wanted, cursor=cursor, limit=limit)
    shown = list(CheckpointView.model_fields)
    views = [CheckpointView(**{name: getattr(checkpoint, name) for name in shown}) for checkpoint in found]
    return views, following


def _conditions(query: RunQuery) -> list[ColumnElement[bool]]:
    conditions = []
    if query.status is not None:
        conditions.append(_of_status(query.status))
    if query.q is not None:
        conditions += [_holds(word) for word in _words("q", query.q)]
    if query.tag is not None and _words("tag", query.tag):
        conditions.append(_contains(Run.tags_folded, folded_tags([query.tag])))
    return conditions


def _words(field: str, text: str) -> list[str]:
    """Raises BadInput where there is nothing to look for, which every run has."""
    words = folded(text).split()
    if not words:
        raise BadInput({field: [f"{field} {text!r} has nothing to look for; add a letter, or leave {field} out"]})
    return words


def _holds(word: str) -> ColumnElement[bool]:
    """A part of an id is no match: ids are random, and one in three holds any given digit."""
    places = [_contains(column, word) for column in (Run.name_folded, Run.tags_folded, Run.notes_folded)]
    if _BEGINNING_OF_ID.fullmatch(word):
        places.append(Run.id.like(f"{_escaped(word)}%", escape="\\"))
    return or_(*places)


def _contains(column: InstrumentedAttribute[str], text: str) -> ColumnElement[bool]:
    return column.like(f"%{_escaped(text)}%", escape="\\")


def _escaped(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


def _of_status(given: str) -> ColumnElement[bool]:
    statuses = [status.strip() for status in given.split(",") if status.strip()]
    unknown = [status for status in statuses if status not in STATUSES]
    if unknown or not statuses:
        wrong = (unknown or [given])[0]
        text = f"unknown status {wrong!r}; choose from {', '.join(STATUSES)}, several separated by commas"
        raise BadInput({"status": [text]})
    return or_(*(_is_shown_as(status) for status in statuses))


def _is_shown_as(status: str) -> ColumnElement[bool]:
    if status in _SHOWN:
        return and_(Run.status.in_(_LIVE), Run.desired == _SHOWN[status].value)
    if status in _LIVE:
        return and_(Run.status == status, Run.desired == Desired.RUN.value)
    return Run.status == status
