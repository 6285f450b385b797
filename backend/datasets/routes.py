"""The REST interface of datasets."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel

from backend.datasets.inputs import NewDataset
from backend.datasets.queries import DatasetView, built_in_view, get_registered, list_registered, registered_view
from backend.datasets.service import register_dataset, remove_dataset
from backend.db.tables import Dataset
from backend.idempotency import OnceOf
from backend.parts import DatabaseOf, PartsOf
from worker.contract.datasets import DATASETS, DatasetName

router = APIRouter(tags=["datasets"])


class DatasetList(BaseModel):
    items: list[DatasetView]
    next: str | None = None


@router.get("/datasets", summary="What can be trained on: built in, then registered")
def get_datasets(database: DatabaseOf) -> DatasetList:
    with database.read() as session:
        registered = list_registered(session)
    return DatasetList(items=[*map(built_in_view, DATASETS), *map(registered_view, registered)])


@router.post("/datasets", status_code=201, summary="Give a folder of images a name")
def post_dataset(parts: PartsOf, once: OnceOf, new: NewDataset, response: Response) -> DatasetView:
    with parts.database.write() as session:
        row = once.find(session, Dataset, new)
        if row is None:
            row = register_dataset(session, new)
            once.remember(session, row.id, new)
    parts.announce()
    response.headers["Location"] = f"/api/v1/datasets/{row.name}"
    return registered_view(row)


@router.get("/datasets/{name}", summary="One dataset")
def get_one(database: DatabaseOf, name: str) -> DatasetView:
    if name in DATASETS:
        return built_in_view(DatasetName(name))
    with database.read() as session:
        row = get_registered(session, name)
    return registered_view(row)


@router.delete("/datasets/{name}", status_code=204, summary="Remove a name; the folder and its runs stay")
def delete_one(parts: PartsOf, name: str) -> None:
    with parts.database.write() as session:
        remove_dataset(session, name)
    parts.announce()
