"""GET /workers."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from backend.parts import DatabaseOf
from backend.workers.queries import WorkerView, list_workers

router = APIRouter(tags=["workers"])


class WorkerList(BaseModel):
    items: list[WorkerView]
    next: str | None = None


@router.get("/workers", summary="Workers, those that live first")
def workers(database: DatabaseOf) -> WorkerList:
    with database.read() as session:
        return WorkerList(items=list_workers(session))
