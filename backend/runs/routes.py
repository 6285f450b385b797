"""The REST interface of runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from backend.db.changes import current_change
from backend.db.tables import Run
from backend.errors import BadInput, Conflict, NotFound
from backend.idempotency import OnceOf
from backend.parts import DatabaseOf, Parts, PartsOf
from backend.runs.configs import CheckedConfig, check_config
from backend.runs.files import checkpoint_path, delete_files
from backend.runs.inputs import Body, Draft, NewRun, RunEdit
from backend.runs.queries import (
    CheckpointView,
    EventView,
    LogView,
    RunQuery,
    get_run,
    list_checkpoints,
    list_events,
    list_logs,
    list_queue,
    list_runs,
)
from backend.runs.service import COMMANDS, clone_run, delete_run, edit_run, launch_run, pause_run, resume_run, stop_run
from backend.runs.views import RunView, view_of, views_of

router = APIRouter(tags=["runs"])

LARGEST_NUMBER = 2**53


class RunPage(BaseModel):
    """`change` is the number from which GET /live goes on after this snapshot."""

    items: list[RunView]
    next: str | None
    change: int


class RunList(BaseModel):
    items: list[RunView]
    next: str | None = None


class EventList(BaseModel):
    items: list[EventView]
    next: str | None = None


class CheckpointList(BaseModel):
    items: list[CheckpointView]
    next: str | None = None


class LogPage(BaseModel):
    """`next` is what to send as `after` for the lines that follow."""

    items: list[LogView]
    next: int | None


class Actions(Body):
    action: Literal["pause", "resume", "stop", "delete"]
    ids: list[Annotated[str, Field(max_length=100)]] = Field(min_length=1, max_length=500)


class ActionResult(BaseModel):
    id: str
    ok: bool
    detail: str


class ActionResults(BaseModel):
    items: list[ActionResult]


@router.get("/runs", summary="A page of runs")
def get_page(database: DatabaseOf, query: Annotated[RunQuery, Query()]) -> RunPage:
    with database.read() as session:
        runs, cursor = list_runs(session, query)
        return RunPage(items=views_of(session, runs), next=cursor, change=current_change(session))


@router.post("/runs", status_code=201, summary="Launch a run")
def post_run(parts: PartsOf, once: OnceOf, new: NewRun, response: Response) -> RunView:
    with parts.database.write() as session:
        run = once.find(session, Run, new)
        if run is None:
            run = launch_run(session, new)
            once.remember(session, run.id, new)
        view = view_of(session, run)
    parts.announce([view.id])
    response.headers["Location"] = f"/api/v1/runs/{view.id}"
    return view


@router.post("/runs/check", summary="Check a configuration without launching it")
def post_check(database: DatabaseOf, draft: Draft) -> CheckedConfig:
    """What launching it would say, name, tags, notes and seeds included; nothing is kept of it."""
    with database.read() as session:
        return check_config(session, draft.config)


@router.post("/runs/actions", status_code=202, summary="Do the same with several runs")
def post_actions(parts: PartsOf, asked: Actions) -> ActionResults:
    """Each run for itself: one that refuses holds up no other."""
    return ActionResults(items=[_result(parts, asked.action, run_id) for run_id in dict.fromkeys(asked.ids)])


@router.get("/runs/{run_id}", summary="One run")
def get_one(database: DatabaseOf, run_id: str) -> RunView:
    with database.read() as session:
        return view_of(session, get_run(session, run_id))


@router.patch("/runs/{run_id}", summary="Change name, tags or notes")
def patch_run(parts: PartsOf, run_id: str, edit: RunEdit) -> RunView:
    with parts.database.write() as session:
        view = view_of(session, edit_run(session, run_id, edit))
    parts.announce()
    return view


@router.delete("/runs/{run_id}", status_code=204, summary="Delete a run with its metrics and checkpoints")
def delete_one(parts: PartsOf, run_id: str) -> None:
    _delete(parts, run_id)


@router.post("/runs/{run_id}/pause", status_code=202, summary="Pause: write a checkpoint and free the device")
def post_pause(parts: PartsOf, run_id: str) -> RunView:
    return _command(parts, pause_run, run_id)


@router.post("/runs/{run_id}/resume", status_code=202, summary="Go on from the last checkpoint")
def post_resume(parts: PartsOf, run_id: str) -> RunView:
    return _command(parts, resume_run, run_id)


@router.post("/runs/{run_id}/stop", status_code=202, summary="Stop: write a checkpoint and end")
def post_stop(parts: PartsOf, run_id: str) -> RunView:
    return _command(parts, stop_run, run_id)


@router.post("/runs/{run_id}/clone", status_code=202, summary="Launch a new run with the same configuration")
def post_clone(parts: PartsOf, once: OnceOf, run_id: str, response: Response) -> RunView:
    with parts.database.write() as session:
        run = once.find(session, Run, None)
        if run is None:
            run = clone_run(session, run_id)
            once.remember(session, run.id, None)
        view = view_of(session, run)
    parts.announce([view.id])
    response.headers["Location"] = f"/api/v1/runs/{view.id}"
    return view


@router.get("/runs/{run_id}/events", summary="The history of a run, oldest first")
def get_events(database: DatabaseOf, run_id: str) -> EventList:
    with database.read() as session:
        return EventList(items=list_events(session, run_id))


@router.get("/runs/{run_id}/logs", summary="Log lines; without `after` the last ones")
def get_logs(
    database: DatabaseOf,
    run_id: str,
    after: Annotated[int | None, Query(ge=0, le=LARGEST_NUMBER)] = None,
    limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
) -> LogPage:
    with database.read() as session:
        lines = list_logs(session, run_id, after=after, limit=limit)
    return LogPage(items=lines, next=lines[-1].seq if lines else after)


@router.get("/runs/{run_id}/checkpoints", summary="Checkpoints, newest first")
def get_checkpoints(database: DatabaseOf, run_id: str) -> CheckpointList:
    with database.read() as session:
        return CheckpointList(items=list_checkpoints(session, run_id))


@router.get("/runs/{run_id}/checkpoints/{checkpoint_id}/file", summary="Download a checkpoint")
def get_checkpoint_file(parts: PartsOf, run_id: str, checkpoint_id: str) -> FileResponse:
    with parts.database.read() as session:
        path = checkpoint_path(session, parts.settings.files, run_id=run_id, checkpoint_id=checkpoint_id)
    return FileResponse(path, media_type="application/octet-stream", filename=f"{run_id}-{path.name}")


@router.get("/queue", summary="Queued runs, in the order in which they are started")
def get_queue(database: DatabaseOf) -> RunList:
    with database.read() as session:
        return RunList(items=views_of(session, list_queue(session)))


def _command(parts: Parts, command: Callable[[Session, str], Run], run_id: str) -> RunView:
    with parts.database.write() as session:
        view = view_of(session, command(session, run_id))
    parts.announce([run_id])
    return view


def _delete(parts: Parts, run_id: str) -> None:
    with parts.database.write() as session:
        run = delete_run(session, run_id)
    parts.announce_gone(run)
    delete_files(parts.settings.files, run.id)


def _result(parts: Parts, action: str, run_id: str) -> ActionResult:
    try:
        if action == "delete":
            _delete(parts, run_id)
            return ActionResult(id=run_id, ok=True, detail="deleted")
        view = _command(parts, COMMANDS[action], run_id)
    except (NotFound, Conflict, BadInput) as error:
        return ActionResult(id=run_id, ok=False, detail=str(error))
    return ActionResult(id=run_id, ok=True, detail=view.status)
