"""Which workers there are, and which of them live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db.clock import service_now
from backend.db.tables import Worker
from backend.workers.clocks import clock_skew
from backend.workers.warnings import warnings_of

#: Workers speak every 3 s.
ALIVE_WITHIN = timedelta(seconds=15)
#: One that has been silent for so long is not listed any more.
LISTED_WITHIN = timedelta(days=1)


class WorkerView(BaseModel):
    """`clock_skew_seconds` says by how much its clock is ahead of the service's, where that is more than 5 s."""

    id: str
    host: str
    devices: list[str]
    free_devices: list[str]
    holding: list[str]
    seen_at: datetime
    alive: bool
    versions: dict[str, str]
    clock_skew_seconds: float | None
    warnings: list[str]


def living_workers(session: Session) -> Sequence[Worker]:
    heard = select(Worker).where(Worker.gone.is_(False), Worker.seen_at > service_now(session) - ALIVE_WITHIN)
    return session.execute(heard.order_by(Worker.id)).scalars().all()


def list_workers(session: Session) -> list[WorkerView]:
    """Those that live first."""
    now = service_now(session)
    listed = select(Worker).where(Worker.seen_at > now - LISTED_WITHIN).order_by(Worker.id)
    views = [_view(worker, now=now) for worker in session.execute(listed).scalars()]
    return sorted(views, key=lambda view: not view.alive)


def _view(worker: Worker, *, now: datetime) -> WorkerView:
    return WorkerView(
        id=worker.id,
        host=worker.host,
        devices=worker.devices,
        free_devices=worker.free_devices,
        holding=worker.holding,
        seen_at=worker.seen_at,
        alive=not worker.gone and worker.seen_at > now - ALIVE_WITHIN,
        versions=worker.versions,
        clock_skew_seconds=clock_skew(worker),
        warnings=warnings_of(worker),
    )
