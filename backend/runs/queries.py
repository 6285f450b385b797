"""Reading runs: one, a page of them, the queue, what happened to one."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import ColumnElement, Text, and_, cast, func, or_, select
from sqlalchemy.orm import Session

from backend.db.tables import Checkpoint, LogLine, Run, RunEvent
from backend.errors import BadInput, NotFound
from backend.runs.inputs import MAX_TAG
from backend.runs.pages import after_cursor, cursor_of, parse_sort
from worker.contract.status import Desired, RunStatus

_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_SHOWN = {"pausing": Desired.PAUSE, "stopping": Desired.STOP}
_LIVE = [status.value for status in RunStatus if status.is_live]
STATUSES = (*(status.value for status in RunStatus), *_SHOWN)

Searched = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00]*$")]


class RunQuery(BaseModel):
    """Which runs, in which order. `status` takes several, separated by commas; `sort` begins with - to descend."""

    model_config = ConfigDict(extra="forbid")

    status: str | None = None
    q: Searched | None = Field(None, description="Part of the name, the id or the notes.")
    tag: Annotated[str, StringConstraints(max_length=MAX_TAG, pattern=r"^[^\x00]*$")] | None = None
    sort: str = "-created_at"
    cursor: Annotated[str, StringConstraints(max_length=1000)] | None = None
    limit: int = Field(50, ge=1, le=500)


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
    sort = parse_sort(query.sort)
    wanted = select(Run).where(*_conditions(query))
    if query.cursor is not None:
        wanted = wanted.where(after_cursor(sort, query.cursor))
    rows = list(session.execute(wanted.order_by(*sort.order()).limit(query.limit + 1)).scalars())
    page = rows[: query.limit]
    return page, cursor_of(sort, page[-1]) if len(rows) > query.limit else None


def list_queue(session: Session) -> Sequence[Run]:
    """In the order in which they are rung."""
    queued = select(Run).where(Run.status == RunStatus.QUEUED).order_by(Run.queued_at, Run.id)
    return session.execute(queued.limit(500)).scalars().all()


def list_events(session: Session, run_id: str) -> list[EventView]:
    """The history, oldest first."""
    get_run(session, run_id)
    found = select(RunEvent).where(RunEvent.run_id == run_id).order_by(RunEvent.id.desc()).limit(1000)
    events = [
        EventView(
            at=event.at,
            kind=event.kind,
            text=event.text,
            before=event.before,
            after=event.after,
            attempt=event.attempt,
        )
        for event in session.execute(found).scalars()
    ]
    return events[::-1]


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


def list_checkpoints(session: Session, run_id: str) -> list[CheckpointView]:
    """Newest first."""
    get_run(session, run_id)
    found = select(Checkpoint).where(Checkpoint.run_id == run_id)
    newest = found.order_by(Checkpoint.attempt.desc(), Checkpoint.step.desc())
    shown = list(CheckpointView.model_fields)
    return [
        CheckpointView(**{name: getattr(checkpoint, name) for name in shown})
        for checkpoint in session.execute(newest).scalars()
    ]


def _conditions(query: RunQuery) -> list[ColumnElement[bool]]:
    conditions = []
    if query.status:
        conditions.append(_of_status(query.status))
    if query.q:
        pattern = f"%{_escaped(query.q.lower())}%"
        fields = (Run.name, Run.id, Run.notes)
        conditions.append(or_(*(func.lower(field).like(pattern, escape="\\") for field in fields)))
    if query.tag:
        # Tags are a JSON list of texts; the quotes of JSON delimit each, and are escaped within one.
        pattern = f"%{_escaped(json.dumps(query.tag))}%"
        conditions.append(cast(Run.tags, Text).like(pattern, escape="\\"))
    return conditions


def _escaped(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


def _of_status(given: str) -> ColumnElement[bool]:
    statuses = [status.strip() for status in given.split(",") if status.strip()]
    unknown = [status for status in statuses if status not in STATUSES]
    if unknown or not statuses:
        text = f"status {(unknown or [given])[0]!r} is none; take of {', '.join(STATUSES)}, several separated by commas"
        raise BadInput({"status": [text]})
    return or_(*(_is_shown_as(status) for status in statuses))


def _is_shown_as(status: str) -> ColumnElement[bool]:
    if status in _SHOWN:
        return and_(Run.status.in_(_LIVE), Run.desired == _SHOWN[status].value)
    if status in _LIVE:
        return and_(Run.status == status, Run.desired == Desired.RUN.value)
    return Run.status == status
