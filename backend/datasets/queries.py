"""Reading datasets: the kinds that are built in, then the folders that were registered."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.db.tables import Dataset
from backend.errors import NotFound
from worker.contract.datasets import DATASETS, DatasetFacts, DatasetName

#: A folder with more entries than this is none of classes, and is not read to its end.
MOST_ENTRIES_READ = 10_000


class DatasetView(BaseModel):
    """`dataset` and `data_dir` are what a run's configuration says to train on it; null where only the files can tell.

    Of a registered folder `classes` is counted where this machine sees the folder.
    """

    name: str
    title: str
    registered: bool
    dataset: DatasetName
    data_dir: str | None
    train_images: int | None
    val_images: int | None
    classes: int | None
    side: int | None
    flip: bool
    needs_data_dir: bool


def list_registered(session: Session) -> Sequence[Dataset]:
    """In the order of their names."""
    return session.execute(select(Dataset).order_by(Dataset.name)).scalars().all()


def get_registered(session: Session, name: str) -> Dataset:
    """Raises NotFound."""
    # Asked of the database, a NUL would be an error of its driver.
    named = select(Dataset).where(Dataset.name == name)
    row = session.execute(named).scalar_one_or_none() if name.isprintable() else None
    if row is None:
        raise NotFound(f"there is no registered dataset {name!r}")
    return row


def built_in_view(kind: DatasetName) -> DatasetView:
    facts = DATASETS[kind]
    return _view(facts, name=kind.value, title=facts.title, registered=False, kind=kind, data_dir=None)


def registered_view(row: Dataset) -> DatasetView:
    """Looks into the folder: to be called outside a transaction, for a file system of the network may be slow."""
    kind = DatasetName(row.dataset)
    view = _view(
        DATASETS[kind], name=row.name, title=row.title or row.name, registered=True, kind=kind, data_dir=row.data_dir
    )
    if view.classes is None:
        view.classes = count_classes(Path(row.data_dir))
    return view


def _view(
    facts: DatasetFacts, *, name: str, title: str, registered: bool, kind: DatasetName, data_dir: str | None
) -> DatasetView:
    return DatasetView(
        name=name,
        title=title,
        registered=registered,
        dataset=kind,
        data_dir=data_dir,
        train_images=facts.train_images,
        val_images=facts.val_images,
        classes=facts.classes,
        side=facts.side,
        flip=facts.flip,
        needs_data_dir=facts.needs_data_dir,
    )


def count_classes(folder: Path) -> int | None:
    """The folders in train/, without a look into any of them; None where that cannot be seen from here."""
    classes = 0
    try:
        with os.scandir(folder / "train") as entries:
            for read, entry in enumerate(entries):
                if read == MOST_ENTRIES_READ:
                    return None
                classes += entry.is_dir()
    except (OSError, ValueError):  # not there, not readable, or no path of this system
        return None
    return classes
