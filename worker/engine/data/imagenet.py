"""ImageNet (ILSVRC 2012) and Imagenette in class folders named by WordNet ids, whose rank is the class's index."""

from __future__ import annotations

import re
from dataclasses import replace

from worker.contract.datasets import DATASETS, DatasetName
from worker.engine.data import folder
from worker.engine.data.errors import DataError
from worker.engine.data.images import Dataset

WNID = re.compile(r"n\d{8}")


def load(name: DatasetName, *, data_dir: str, side: int) -> Dataset:
    """As `folder.load`; raises DataError also where the classes are not those, and notices a missing image."""
    dataset = folder.load(name, data_dir=data_dir, side=side)
    facts = DATASETS[name]
    strange = [label for label in dataset.classes if not WNID.fullmatch(label)]
    if strange or len(dataset.classes) != facts.classes:
        what = f"{strange[0]!r} among them" if strange else f"{len(dataset.classes)} of them"
        raise DataError(
            f"{data_dir} is not {facts.title}, which has {facts.classes} class folders named like n01440764, with "
            f"{what}; complete it, or take dataset imagefolder"
        )
    return replace(dataset, notices=dataset.notices + tuple(_shortfalls(dataset, name, data_dir)))


def _shortfalls(dataset: Dataset, name: DatasetName, data_dir: str) -> list[str]:
    facts = DATASETS[name]
    counts = (("train", len(dataset.train), facts.train_images), ("val", len(dataset.val), facts.val_images))
    return [
        f"{data_dir}/{split} holds {found:,} images where {facts.title} has {whole:,}"
        for split, found, whole in counts
        if found != whole
    ]
