"""GET /health: is every part there? It answers whatever is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import redis
from fastapi import APIRouter
from pydantic import BaseModel
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend.db.away import explained
from backend.db.changes import current_change
from backend.db.tables import ControllerPulse, Run
from backend.disk import ServiceDisk, findings
from backend.parts import PartsOf
from backend.process.home import Home
from backend.process.repair import aside_note, what_was_set_aside
from backend.settings import Settings
from backend.workers.queries import living_workers
from backend.workers.storage import storage_of
from worker.contract import VERSION

router = APIRouter(tags=["reference"])

#: The controller finishes a round every 5 s.
CONTROLLER_ALIVE_WITHIN = timedelta(seconds=20)
REDIS_PATIENCE_SECONDS = 1.0


class ControllerHealth(BaseModel):
    """`set_aside` counts messages that could not be understood; the table of that name keeps them."""

    alive: bool
    seen_at: datetime | None
    set_aside: int


class Health(BaseModel):
    """`database`, `redis` and `disk` are "ok" or say what is wrong; `change` is null while the database is away.

    `findings` are sentences about what a person should look at: disks, workers that take no runs, files set aside.
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
    findings: list[str]
    time: datetime


@router.get("/health", operation_id="get_health", summary="Is every part there?")
def get_health(parts: PartsOf) -> Health:
    """Answers 200 whatever is not there; `status` is `degraded` then."""
    health = Health(
        status="ok",
        version=VERSION,
        database="ok",
        redis=_redis(parts.settings.redis_url),
        disk="ok",
        controller=ControllerHealth(alive=False, seen_at=None, set_aside=0),
        workers=0,
        runs={},
        change=None,
        findings=[],
        time=datetime.now(UTC),
    )
    _look_at_disks(parts.settings, health)
    try:
        with parts.database.read() as session:
            _look(session, health)
    except SQLAlchemyError as error:
        health.database = explained(error, parts.settings) or _first_line(error)
    is_well = health.database == health.redis == health.disk == "ok" and health.controller.alive and health.workers > 0
    health.status = "ok" if is_well else "degraded"
    return health


def _look_at_disks(settings: Settings, health: Health) -> None:
    disk = ServiceDisk.of(settings)
    health.disk = disk.eviction() or disk.no_start() or "ok"
    health.findings += findings(disk)
    home = Home(settings.home)
    health.findings += [aside_note(home, path) for path in what_was_set_aside(home, files=settings.files)]


def _look(session: Session, health: Health) -> None:
    pulse = session.execute(select(ControllerPulse)).scalars().first()
    if pulse is not None:
        is_alive = pulse.seen_at > datetime.now(UTC) - CONTROLLER_ALIVE_WITHIN
        health.controller = ControllerHealth(alive=is_alive, seen_at=pulse.seen_at, set_aside=pulse.set_aside)
    workers = living_workers(session)
    health.workers = len(workers)
    health.findings += [
        f"worker {storage.worker_id} takes no runs: {storage.unavailable_reason}"
        for storage in storage_of(session, workers).values()
        if storage.unavailable_reason is not None
    ]
    counts = session.execute(select(Run.status, func.count()).group_by(Run.status)).all()
    health.runs = {row[0]: row[1] for row in counts}
    health.change = current_change(session)


def _redis(url: str) -> str:
    client = redis.Redis.from_url(
        url,
        socket_timeout=REDIS_PATIENCE_SECONDS,
        socket_connect_timeout=REDIS_PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        client.ping()
    except redis.RedisError as error:
        return _first_line(error)
    finally:
        client.close()
    return "ok"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
