"""GET /health: is every part there? It answers whatever is not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend.db.away import explained
from backend.db.changes import current_change
from backend.db.clock import service_now
from backend.db.tables import ControllerPulse, Run, Worker
from backend.disk import ServiceDisk
from backend.parts import PartsOf
from backend.process.home import Home
from backend.process.repair import aside_note, what_was_set_aside
from backend.reference import redis_health
from backend.reference.findings import Finding, error, find_in_sql, warning
from backend.settings import Settings
from backend.workers.queries import living_workers
from backend.workers.storage import storage_of
from worker.contract import VERSION

router = APIRouter(tags=["reference"])

#: The controller finishes a round every 5 s.
CONTROLLER_ALIVE_WITHIN = timedelta(seconds=20)


class ControllerHealth(BaseModel):
    """`set_aside` counts messages that could not be understood; the table of that name keeps them."""

    alive: bool
    seen_at: datetime | None
    set_aside: int


class Health(BaseModel):
    """`findings` says all that is the matter, what matters most first; with an error among them, `status` is degraded.

    `database`, `redis` and `disk` are "ok" or say what is wrong; `change` is null while the database is away.
    """

    status: Literal["ok", "degraded"]
    version: str
    database: str
    redis: str
    disk: str
    controller: ControllerHealth
    workers: int
    runs: dict[str, int]
    change: int | None
    time: datetime
    findings: list[Finding]


@router.get("/health", operation_id="get_health", summary="Is every part there?")
def get_health(parts: PartsOf) -> Health:
    """Answers 200 whatever is not there; `status` is `degraded` then."""
    of_redis = redis_health.look_at(parts.settings.redis_url)
    health = Health(
        status="ok",
        version=VERSION,
        database="ok",
        redis=next((finding.detail for finding in of_redis if finding.severity == "error"), "ok"),
        disk="ok",
        controller=ControllerHealth(alive=False, seen_at=None, set_aside=0),
        workers=0,
        runs={},
        change=None,
        time=datetime.now(UTC),
        findings=[],
    )
    of_disk = _look_at_disks(parts.settings, health)
    try:
        with parts.database.read() as session:
            of_sql = _look(session, health)
    except SQLAlchemyError as away:
        health.database = explained(away, parts.settings) or _first_line(away)
        of_sql = [error("database_away", "The database is away", f"The database does not answer: {health.database}")]
    health.findings = [*of_redis, *of_disk, *of_sql, *_set_aside_files(parts.settings)]
    health.status = "degraded" if any(finding.severity == "error" for finding in health.findings) else "ok"
    return health


def _look_at_disks(settings: Settings, health: Health) -> list[Finding]:
    disk = ServiceDisk.of(settings)
    short = disk.eviction() or disk.no_start()
    health.disk = short or "ok"
    if short is not None:
        return [error("disk_full", "The disk is full: runs wait", short)]
    near = disk.warning()
    return [warning("disk_nearly_full", "The disk is getting full", near)] if near else []


def _set_aside_files(settings: Settings) -> list[Finding]:
    home = Home(settings.home)
    return [
        warning("file_set_aside", "A file of the home was set aside", aside_note(home, path))
        for path in what_was_set_aside(home, files=settings.files)
    ]


def _look(session: Session, health: Health) -> list[Finding]:
    health.time = service_now(session)
    pulse = session.execute(select(ControllerPulse)).scalars().first()
    if pulse is not None:
        is_alive = pulse.seen_at > health.time - CONTROLLER_ALIVE_WITHIN
        health.controller = ControllerHealth(alive=is_alive, seen_at=pulse.seen_at, set_aside=pulse.set_aside)
    workers = living_workers(session)
    health.workers = len(workers)
    counts = session.execute(select(Run.status, func.count()).group_by(Run.status)).all()
    health.runs = {row[0]: row[1] for row in counts}
    health.change = current_change(session)
    return [*_parts_missing(health), *_unavailable(session, workers), *find_in_sql(session, now=health.time)]


def _unavailable(session: Session, workers: Sequence[Worker]) -> list[Finding]:
    return [
        error(
            "worker_unavailable",
            f"Worker {storage.worker_id} takes no runs",
            f"worker {storage.worker_id} takes no runs: {storage.unavailable_reason}",
        )
        for storage in storage_of(session, workers).values()
        if storage.unavailable_reason is not None
    ]


def _parts_missing(health: Health) -> list[Finding]:
    """A worker that cannot be heard is not missing: what keeps it from being heard is another finding."""
    if not health.controller.alive:
        since = f" since {health.controller.seen_at:%Y-%m-%d %H:%M:%S} UTC" if health.controller.seen_at else ""
        detail = f"The controller was not heard of{since}: nothing is recorded and no run starts. Its log tells more"
        return [error("controller_away", "The controller is away: nothing is recorded", detail)]
    if health.workers == 0 and health.redis == "ok":
        detail = "No worker is heard. `resdrop up` starts one; elsewhere `python -m worker.jobs` is one"
        return [error("no_worker", "No worker: queued runs wait", detail)]
    return []


def _first_line(problem: Exception) -> str:
    return str(problem).partition("\n")[0] or type(problem).__name__
