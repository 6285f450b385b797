"""Registering a folder under a name, and removing the name. Runs never refer to it: they hold kind and folder."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from backend.datasets.inputs import NewDataset
from backend.datasets.queries import get_registered, list_registered
from backend.db.changes import note_change
from backend.db.tables import Dataset
from backend.errors import Conflict
from backend.runs.creation import new_id
from worker.contract.datasets import DATASETS

#: Each is looked at when they are listed.
MOST_REGISTERED = 200


def register_dataset(session: Session, new: NewDataset) -> Dataset:
    """Raises Conflict where the name is taken."""
    if new.name in DATASETS:
        raise Conflict(f"the name {new.name!r} is that of a built-in dataset; take another")
    registered = list_registered(session)
    taken = next((row for row in registered if row.name == new.name), None)
    if taken is not None:
        raise Conflict(
            f"the name {new.name!r} is taken by {taken.dataset} in {taken.data_dir}; take another, or remove that first"
        )
    if len(registered) >= MOST_REGISTERED:
        raise Conflict(f"{len(registered)} datasets are registered, which is the limit; remove one first")
    row = Dataset(
        id=new_id("d"),
        name=new.name,
        title=new.title,
        dataset=new.dataset.value,
        data_dir=new.data_dir,
        created_at=datetime.now(UTC),
    )
    note_change(session, "datasets", row.id)
    session.add(row)
    session.flush()
    return row


def remove_dataset(session: Session, name: str) -> None:
    """Removes the name alone: the folder and the runs that were trained on it stay. Raises NotFound or Conflict."""
    if name in DATASETS:
        raise Conflict(f"{name} is built in and cannot be removed")
    row = get_registered(session, name)
    note_change(session, "datasets", row.id)
    session.delete(row)
