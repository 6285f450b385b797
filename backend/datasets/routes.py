"""The REST interface of datasets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel

from backend.datasets.inputs import NewDataset
from backend.datasets.queries import DatasetView, built_in_view, get_registered, list_registered, registered_view
from backend.datasets.service import register_dataset, remove_dataset
from backend.db.tables import Dataset
from backend.idempotency import OnceOf
from backend.locations import LocationOf
from backend.parts import DatabaseOf, PartsOf
from backend.problems import may_answer
from worker.contract.datasets import DATASETS, DatasetName

router = APIRouter(tags=["datasets"])


DatasetId = Annotated[str, Path(description="The name of a dataset.", examples=["street-signs"])]


class DatasetList(BaseModel):
    """All of them: there are no more than can be registered."""

    items: list[DatasetView]
    next: None = None


@router.get("/datasets", operation_id="list_datasets", summary="What can be trained on: built in, then registered")
def get_datasets(database: DatabaseOf) -> DatasetList:
    """Of a folder that this machine sees, its classes are counted."""
    with database.read() as session:
        registered = list_registered(session)
    return DatasetList(items=[*map(built_in_view, DATASETS), *map(registered_view, registered)])


@router.post(
    "/datasets",
    status_code=201,
    operation_id="register_dataset",
    summary="Give a folder of images a name",
    responses=may_answer(409),
)
def post_dataset(parts: PartsOf, once: OnceOf, new: NewDataset, location: LocationOf) -> DatasetView:
    """Only people use the name: a run's configuration holds kind and folder themselves."""
    with parts.database.write() as session:
        row = once.find(session, Dataset, new)
        if row is None:
            row = register_dataset(session, new)
            once.remember(session, row.id, new)
    parts.announce()
    location.set(f"/datasets/{row.name}")
    return registered_view(row)


@router.get("/datasets/{name}", operation_id="get_dataset", summary="One dataset", responses=may_answer(404))
def get_one(database: DatabaseOf, name: DatasetId) -> DatasetView:
    """Built in or registered."""
    if name in DATASETS:
        return built_in_view(DatasetName(name))
    with database.read() as session:
        row = get_registered(session, name)
    return registered_view(row)


@router.delete(
    "/datasets/{name}",
    status_code=204,
    operation_id="remove_dataset",
    summary="Remove a name; the folder and its runs stay",
    responses=may_answer(404, 409),
)
def delete_one(parts: PartsOf, name: DatasetId) -> None:
    """A built-in one stays."""
    with parts.database.write() as session:
        remove_dataset(session, name)
    parts.announce()
