"""CIFAR-10 and CIFAR-100 from the folder in which torchvision keeps them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from worker.contract.datasets import DatasetName
from worker.engine.data.errors import DataError, existing_folder
from worker.engine.data.images import Dataset
from worker.engine.data.memory import ImagesInMemory

#: Mean and deviation by channel of the training images in [0, 1].
STATISTICS = {
    DatasetName.CIFAR10: ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    DatasetName.CIFAR100: ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}


def load(name: DatasetName, *, data_dir: str, side: int) -> Dataset:
    """Raises DataError where the folder is missing or a file in it is not whole."""
    root = existing_folder(data_dir)
    train, classes = _split(name, root, train=True, side=side)
    val, _ = _split(name, root, train=False, side=side)
    mean, std = STATISTICS[name]
    fingerprint = hashlib.sha256((train.fingerprint() + val.fingerprint()).encode()).hexdigest()
    return Dataset(name.value, train, val, classes, mean, std, fingerprint)


def _split(name: DatasetName, root: Path, *, train: bool, side: int) -> tuple[ImagesInMemory, tuple[str, ...]]:
    source = _source(name)
    try:
        split = source(root=str(root), train=train, download=False)
    except RuntimeError as error:
        raise DataError(_missing(source, root)) from error
    except OSError as error:
        raise DataError(f"data_dir {root} cannot be read ({error.strerror or error}); make it readable") from error
    pixels = np.ascontiguousarray(split.data.transpose(0, 3, 1, 2))
    return ImagesInMemory(pixels, np.asarray(split.targets, dtype=np.int64), side=side), tuple(split.classes)


def _source(name: DatasetName) -> Any:
    try:
        from torchvision import datasets
    except ImportError as error:
        raise DataError(f"dataset {name.value} is read by torchvision, which is missing; install it") from error
    return datasets.CIFAR10 if name is DatasetName.CIFAR10 else datasets.CIFAR100


def _missing(source: Any, root: Path) -> str:
    if not (root / source.base_folder).is_dir():
        return f"data_dir {root} has no folder {source.base_folder}; download {source.url} and unpack it there"
    return f"{root / source.base_folder} is damaged or not whole; unpack {source.filename} there again"
