"""Runs as the REST interface and the live stream show them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db.clock import service_now
from backend.db.tables import Checkpoint, ControllerPulse, Metric, Ringing, Run
from backend.runs.queue import trained_now
from backend.runs.results import results_of
from backend.runs.waiting import Surroundings, waiting_for
from backend.workers.queries import living_workers
from backend.workers.storage import service_hold, storage_of
from worker.contract import names
from worker.contract.config import RunConfig
from worker.contract.datasets import DATASETS, DatasetName
from worker.contract.status import Desired, RunStatus, shown_status
from worker.evidence.figures import RunFigures

Time = Annotated[datetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
#: Over so many of the last points is the present speed measured.
_POINTS_OF_SPEED = 20


class Progress(BaseModel):
    epoch: float
    epochs: int
    step: int
    steps: int | None
    eta_seconds: float | None


class Best(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)

    val_top1: Annotated[float, Field(serialization_alias="val/top1")]
    epoch: float | None


class RunView(BaseModel):
    """`status` is what is shown ("pausing" and "stopping" included), `stored_status` what is stored. `latest` has what
    was reported last, `results` what the whole run came to so far."""

    id: str
    name: str
    status: str
    stored_status: RunStatus
    desired: Desired
    attempt: int
    reason: str | None
    progress: Progress
    best: Best | None
    latest: dict[str, float | None]
    results: RunFigures
    config: dict[str, Any]
    warnings: list[str]
    tags: list[str]
    notes: str
    comparison_id: str | None
    arm: str | None
    after: str | None
    waiting_for: str | None
    worker: str | None
    device: str | None
    threads: int | None
    loader_processes: int | None
    parameters: int | None
    blocks: int | None
    versions: dict[str, str]
    elapsed_seconds: float
    resumable: bool
    created_at: Time
    queued_at: Time
    started_at: Time | None
    finished_at: Time | None
    last_point_at: Time | None
    change: int


def views_of(session: Session, runs: Sequence[Run]) -> list[RunView]:
    """The runs in their order, with everything that a view needs fetched at once."""
    around, results = _surroundings(session, runs), results_of(session, runs)
    return [_view(run, around, results[run.id], seconds_per_step=_seconds_per_step(session, run)) for run in runs]


def view_of(session: Session, run: Run) -> RunView:
    return views_of(session, [run])[0]


def planned_steps(config: dict[str, Any], steps_per_epoch: int | None) -> tuple[int | None, int | None]:
    """Steps of an epoch and of the whole run, from what the training said or the dataset is known to have."""
    if steps_per_epoch is None:
        images = DATASETS[DatasetName(config["dataset"])].train_images
        steps_per_epoch = images // int(config["batch"]) if images is not None else None
    return steps_per_epoch, steps_per_epoch * int(config["epochs"]) if steps_per_epoch is not None else None


def _surroundings(session: Session, runs: Sequence[Run]) -> Surroundings:
    roots: dict[str, set[str]] = defaultdict(set)
    found = select(Checkpoint.run_id, Checkpoint.root_id).where(Checkpoint.run_id.in_([run.id for run in runs]))
    for run_id, root_id in session.execute(found.distinct()):
        roots[run_id].add(root_id)
    before = {run.after_id for run in runs if run.after_id is not None and run.status == RunStatus.QUEUED}
    predecessors = session.execute(select(Run).where(Run.id.in_(before))).scalars().all() if before else ()
    queued = [run.id for run in runs if run.status == RunStatus.QUEUED]
    trained = trained_now(session, [run.comparison_id for run in runs if run.status == RunStatus.QUEUED])
    notes = session.execute(select(Ringing).where(Ringing.run_id.in_(queued))).scalars().all() if queued else ()
    workers = living_workers(session)
    return Surroundings(
        now=service_now(session),
        checkpoint_bytes=_checkpoint_bytes(session, runs),
        storage=storage_of(session, workers),
        hold=service_hold(session),
        workers=workers,
        ringing={note.run_id: note for note in notes},
        redis_refuses=session.execute(select(ControllerPulse.redis_refuses)).scalar() if queued else None,
        predecessors={run.id: run for run in predecessors},
        trained={str(comparison_id): trained[0] for comparison_id, trained in trained.items()},
        roots=dict(roots),
    )


def _checkpoint_bytes(session: Session, runs: Sequence[Run]) -> dict[str, int]:
    queued = [run.id for run in runs if run.status == RunStatus.QUEUED]
    if not queued:
        return {}
    sizes = select(Checkpoint.run_id, Checkpoint.size_bytes).where(Checkpoint.run_id.in_(queued))
    oldest_first = sizes.order_by(Checkpoint.attempt, Checkpoint.step)
    return {row.run_id: row.size_bytes for row in session.execute(oldest_first)}


def _view(run: Run, around: Surroundings, results: RunFigures, *, seconds_per_step: float | None) -> RunView:
    return RunView(
        **_stored(run),
        results=results,
        status=shown_status(RunStatus(run.status), Desired(run.desired)),
        stored_status=RunStatus(run.status),
        progress=_progress(run, seconds_per_step),
        best=Best(val_top1=run.best_top1, epoch=run.best_epoch) if run.best_top1 is not None else None,
        warnings=warnings_of(run),
        after=run.after_id,
        waiting_for=waiting_for(run, around),
        worker=run.worker_id,
        versions=run.facts.get("versions") or {},
        resumable=run.id in around.roots,
        **{name: run.facts.get(name) for name in ("device", "threads", "loader_processes", "parameters", "blocks")},
    )


_AS_STORED = (
    *("id", "name", "desired", "attempt", "reason", "latest", "config", "tags", "notes", "comparison_id", "arm"),
    *("elapsed_seconds", "created_at", "queued_at", "started_at", "finished_at", "last_point_at", "change"),
)


def _stored(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in _AS_STORED}


def _progress(run: Run, seconds_per_step: float | None) -> Progress:
    _, steps = planned_steps(run.config, run.steps_per_epoch)
    eta = None
    if steps is not None and seconds_per_step is not None:
        eta = max(0.0, (steps - run.step) * seconds_per_step)
    return Progress(epoch=run.epoch, epochs=run.config["epochs"], step=run.step, steps=steps, eta_seconds=eta)


def warnings_of(run: Run) -> list[str]:
    try:
        return RunConfig.model_validate(run.config).warnings()
    except ValidationError:
        return ["its configuration is not valid in this version of ResDrop"]


@dataclass(frozen=True)
class _Pace:
    step: int
    elapsed_seconds: float


def _seconds_per_step(session: Session, run: Run) -> float | None:
    """Of a run that trains, over its last points; evaluations and checkpoints between them included."""
    if run.status != RunStatus.RUNNING:
        return None
    of_loss = select(Metric.step, Metric.elapsed_seconds).where(
        Metric.run_id == run.id, Metric.name == names.Metric.TRAIN_LOSS, Metric.attempt == run.attempt
    )
    last = of_loss.order_by(Metric.step.desc()).limit(_POINTS_OF_SPEED)
    points = [_Pace(step, seconds) for step, seconds in session.execute(last)]
    newest, oldest = (points[0], points[-1]) if len(points) > 1 else (_Pace(run.step, run.elapsed_seconds), _Pace(0, 0))
    if newest.step <= oldest.step:
        return None
    return max(0.0, newest.elapsed_seconds - oldest.elapsed_seconds) / (newest.step - oldest.step)
