"""The REST interface of runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from backend.cursors import LARGEST_INTEGER, PageQuery
from backend.db.changes import current_change
from backend.db.tables import Run
from backend.downloads import Download
from backend.errors import BadInput, Conflict, NotFound
from backend.idempotency import OnceOf
from backend.locations import LocationOf
from backend.parts import DatabaseOf, Parts, PartsOf, RunId
from backend.problems import described_file, may_answer
from backend.runs.configs import CheckedConfig, check_config
from backend.runs.files import checkpoint_path, delete_files
from backend.runs.inputs import Body, Draft, NewRun, RunEdit
from backend.runs.predictions import MEDIA_TYPE, known_predictions_path, thumbnail, validation_folder
from backend.runs.queries import (
    CheckpointView,
    EventQuery,
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


class RunPage(BaseModel):
    """`change` is the number from which GET /live goes on after this snapshot."""

    items: list[RunView]
    next: str | None
    change: int


class RunList(BaseModel):
    items: list[RunView]
    next: str | None


class EventList(BaseModel):
    items: list[EventView]
    next: str | None


class CheckpointList(BaseModel):
    items: list[CheckpointView]
    next: str | None


class LogPage(BaseModel):
    """`next` is what to send as `after` for the lines that follow."""

    items: list[LogView]
    next: int | None


class Actions(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"action": "pause", "ids": ["r_1a2b3c4d"]}]})

    action: Literal["pause", "resume", "stop", "delete"]
    ids: list[Annotated[str, Field(max_length=100)]] = Field(min_length=1, max_length=500)


class ActionResult(BaseModel):
    id: str
    ok: bool
    detail: str


class ActionResults(BaseModel):
    items: list[ActionResult]


@router.get("/runs", operation_id="list_runs", summary="A page of runs")
def get_page(database: DatabaseOf, query: Annotated[RunQuery, Query()]) -> RunPage:
    """Newest first unless `sort` says otherwise. What `next` gives leads to the next page as `cursor`, with the same
    `sort` and filters."""
    with database.read() as session:
        runs, cursor = list_runs(session, query)
        return RunPage(items=views_of(session, runs), next=cursor, change=current_change(session))


@router.post("/runs", status_code=201, operation_id="launch_run", summary="Launch a run", responses=may_answer(409))
def post_run(parts: PartsOf, once: OnceOf, new: NewRun, location: LocationOf) -> RunView:
    """It is queued, and starts as soon as a device is free. Sent again with the same `Idempotency-Key`, the same run is
    answered with."""
    with parts.database.write() as session:
        run = once.find(session, Run, new)
        if run is None:
            run = launch_run(session, new)
            once.remember(session, run.id, new)
        view = view_of(session, run)
    parts.announce([view.id])
    location.set(f"/runs/{view.id}")
    return view


@router.post("/runs/check", operation_id="check_config", summary="Check a configuration without launching it")
def post_check(database: DatabaseOf, draft: Draft) -> CheckedConfig:
    """What the defaults come to, what is allowed and probably not meant, and what launching it would refuse.

    Name, tags, notes and seeds are checked too. Nothing is kept of it.
    """
    with database.read() as session:
        return check_config(session, draft.config)


@router.post("/runs/actions", status_code=202, operation_id="act_on_runs", summary="Do the same with several runs")
def post_actions(parts: PartsOf, asked: Actions) -> ActionResults:
    """Each run for itself: one that refuses holds up no other."""
    return ActionResults(items=[_result(parts, asked.action, run_id) for run_id in dict.fromkeys(asked.ids)])


@router.get("/runs/{run_id}", operation_id="get_run", summary="One run", responses=may_answer(404))
def get_one(database: DatabaseOf, run_id: RunId) -> RunView:
    """`progress`, `best` and `latest` are as of the last point that came in."""
    with database.read() as session:
        return view_of(session, get_run(session, run_id))


@router.patch(
    "/runs/{run_id}", operation_id="edit_run", summary="Change name, tags or notes", responses=may_answer(404)
)
def patch_run(parts: PartsOf, run_id: RunId, edit: RunEdit) -> RunView:
    """Only what is given is changed; the configuration of a run never is."""
    with parts.database.write() as session:
        view = view_of(session, edit_run(session, run_id, edit))
    parts.announce()
    return view


@router.delete(
    "/runs/{run_id}",
    status_code=204,
    operation_id="delete_run",
    summary="Delete a run with its metrics and checkpoints",
    responses=may_answer(404, 409),
)
def delete_one(parts: PartsOf, run_id: RunId) -> None:
    """Refused while a worker holds it: pause or stop it first. The files are removed beside the request."""
    _delete(parts, run_id)


@router.post(
    "/runs/{run_id}/pause",
    status_code=202,
    operation_id="pause_run",
    summary="Pause: write a checkpoint and free the device",
    responses=may_answer(404, 409),
)
def post_pause(parts: PartsOf, run_id: RunId) -> RunView:
    """At the very step. `status` is `pausing` until the device is free; a resume goes on from there, bit for bit."""
    return _command(parts, pause_run, run_id)


@router.post(
    "/runs/{run_id}/resume",
    status_code=202,
    operation_id="resume_run",
    summary="Go on from the last checkpoint",
    responses=may_answer(404, 409),
)
def post_resume(parts: PartsOf, run_id: RunId) -> RunView:
    """A paused, stopped or failed run is queued again; one without a checkpoint begins anew."""
    return _command(parts, resume_run, run_id)


@router.post(
    "/runs/{run_id}/stop",
    status_code=202,
    operation_id="stop_run",
    summary="Stop: write a checkpoint and end",
    responses=may_answer(404, 409),
)
def post_stop(parts: PartsOf, run_id: RunId) -> RunView:
    """The run ends; it can be resumed later from its checkpoint."""
    return _command(parts, stop_run, run_id)


@router.post(
    "/runs/{run_id}/clone",
    status_code=202,
    operation_id="clone_run",
    summary="Launch a new run with the same configuration",
    responses=may_answer(404, 409),
)
def post_clone(parts: PartsOf, once: OnceOf, run_id: RunId, location: LocationOf) -> RunView:
    """It begins from the first step, whatever became of the original."""
    with parts.database.write() as session:
        run = once.find(session, Run, None)
        if run is None:
            run = clone_run(session, run_id)
            once.remember(session, run.id, None)
        view = view_of(session, run)
    parts.announce([view.id])
    location.set(f"/runs/{view.id}")
    return view


@router.get(
    "/runs/{run_id}/events", operation_id="list_events", summary="The history of a run", responses=may_answer(404)
)
def get_events(database: DatabaseOf, run_id: RunId, query: Annotated[EventQuery, Query()]) -> EventList:
    """Changes of status, wishes, notices, and where a curve went back to an earlier step."""
    with database.read() as session:
        newest_first = query.sort.startswith("-")
        events, following = list_events(
            session, run_id, newest_first=newest_first, cursor=query.cursor, limit=query.limit
        )
    return EventList(items=events, next=following)


@router.get(
    "/runs/{run_id}/logs",
    operation_id="list_log_lines",
    summary="Log lines; without `after` the last ones",
    responses=may_answer(404),
)
def get_logs(
    database: DatabaseOf,
    run_id: RunId,
    after: Annotated[
        int | None, Query(ge=0, le=LARGEST_INTEGER, description="`next` of the page before; 0 for the first lines.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=5000, description="How many at most.")] = 1000,
) -> LogPage:
    """What the training printed. `next` leads on, whether there are more lines yet or not."""
    with database.read() as session:
        lines = list_logs(session, run_id, after=after, limit=limit)
    return LogPage(items=lines, next=lines[-1].seq if lines else after)


@router.get(
    "/runs/{run_id}/checkpoints",
    operation_id="list_checkpoints",
    summary="Checkpoints, newest first",
    responses=may_answer(404),
)
def get_checkpoints(database: DatabaseOf, run_id: RunId, query: Annotated[PageQuery, Query()]) -> CheckpointList:
    """Those from which the run can go on: the last ones and the best."""
    with database.read() as session:
        checkpoints, following = list_checkpoints(session, run_id, cursor=query.cursor, limit=query.limit)
    return CheckpointList(items=checkpoints, next=following)


@router.get(
    "/runs/{run_id}/checkpoints/{checkpoint_id}/file",
    operation_id="download_checkpoint",
    summary="Download a checkpoint",
    response_class=Download,
    responses=may_answer(400, 404, 409, 416)
    | described_file("application/octet-stream", "The file as training wrote it.")
    | described_file("application/octet-stream", "The part that the Range header asked for.", status=206),
)
def get_checkpoint_file(
    parts: PartsOf,
    run_id: RunId,
    checkpoint_id: Annotated[str, Path(description="The `id` of one of its checkpoints.", examples=["7"])],
) -> Download:
    """Answers 409 where the storage that holds it is not mounted on the machine of the service. A download that broke
    off can go on with the header `Range: bytes=FIRST-`."""
    with parts.database.read() as session:
        path = checkpoint_path(session, parts.settings.files, run_id=run_id, checkpoint_id=checkpoint_id)
    return Download(path, media_type="application/octet-stream", filename=f"{run_id}-{path.name}")


@router.get(
    "/runs/{run_id}/predictions",
    operation_id="download_predictions",
    summary="What the trained network guesses of each validation image",
    response_class=Download,
    responses=may_answer(400, 404, 416)
    | described_file("application/octet-stream", "A .npz of numpy's.")
    | described_file("application/octet-stream", "The part that the Range header asked for.", status=206),
)
def get_predictions(parts: PartsOf, run_id: RunId) -> Download:
    """Of the evaluation after the last epoch: `guesses` [images, up to 5] and `labels` [images] are indices of classes,
    labels below 0 those of images that could not be decoded; `names` are files below the validation folder."""
    with parts.database.read() as session:
        path = known_predictions_path(session, parts.settings.files, run_id)
    return Download(path, media_type="application/octet-stream", filename=f"{run_id}-{path.name}")


@router.get(
    "/runs/{run_id}/validation-images/{index}",
    operation_id="get_validation_image",
    summary="A validation image, made small",
    response_class=Response,
    responses=may_answer(404) | described_file(MEDIA_TYPE, "The image."),
)
def get_validation_image(
    parts: PartsOf,
    run_id: RunId,
    index: Annotated[int, Path(ge=0, le=10**9, description="Its place in the predictions.", examples=[0])],
) -> Response:
    """Of a run that has predictions. An image that is a file has to be on this machine; of others those are kept that
    the run guesses wrong."""
    with parts.database.read() as session:
        path = known_predictions_path(session, parts.settings.files, run_id)
        folder = validation_folder(session, run_id)
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(thumbnail(path, folder, index), media_type=MEDIA_TYPE, headers=headers)


@router.get("/queue", operation_id="list_queue", summary="Queued runs, in the order in which they are started")
def get_queue(database: DatabaseOf, query: Annotated[PageQuery, Query()]) -> RunList:
    """`waiting_for` of each says what it waits for."""
    with database.read() as session:
        runs, following = list_queue(session, cursor=query.cursor, limit=query.limit)
        return RunList(items=views_of(session, runs), next=following)


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
