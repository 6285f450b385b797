"""GET /workers."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from backend.parts import DatabaseOf
from backend.workers.queries import WorkerView, list_workers

router = APIRouter(tags=["workers"])


class WorkerList(BaseModel):
    """All that were heard within a day."""

    items: list[WorkerView]
    next: None = None


@router.get("/workers", operation_id="list_workers", summary="Workers, those that live first")
def get_workers(database: DatabaseOf) -> WorkerList:
    """As each last said of itself."""
    with database.read() as session:
        return WorkerList(items=list_workers(session))
