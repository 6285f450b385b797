"""Which files are in the class folders: a million names in a minute, and in little memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from worker.contract.datasets import remedy_by_content
from worker.engine.data.errors import DataError, shown
from worker.engine.data.images import Indices

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
SHOWN = 3
HASHED_AT_ONCE = 10_000


@dataclass(frozen=True)
class Listing:
    """The files below `root` by class and name, and the index of each one's class.

    `names` is one array instead of a million strings, whose reference counts would make loader processes copy the
    pages that they lie on.
    """

    root: Path
    names: npt.NDArray[np.bytes_]
    labels: Indices

    def __len__(self) -> int:
        return len(self.labels)

    def path(self, index: int) -> str:
        return os.path.join(self.root, os.fsdecode(self.names[index]))  # noqa: PTH118  once for each image

    def fingerprint(self) -> str:
        """Of names and labels; the files are not read."""
        digest = hashlib.sha256()
        for start in range(0, len(self), HASHED_AT_ONCE):
            digest.update((b"\0" if start else b"") + b"\0".join(self.names[start : start + HASHED_AT_ONCE].tolist()))
        digest.update(self.labels.tobytes())
        return digest.hexdigest()


def listed(root: Path, classes: list[str]) -> Listing:
    """Raises DataError for a class without images."""
    names, counts = [], []
    for folder in classes:
        found = sorted(images_below(root / folder, folder))
        if not found:
            raise DataError(f"{root / folder} holds no images ({', '.join(EXTENSIONS)})")
        names.append(np.array([os.fsencode(name) for name in found]))
        counts.append(len(found))
    return Listing(root, np.concatenate(names), np.repeat(np.arange(len(classes)), counts).astype(np.int64))


def classes_of(root: Path, split: str) -> list[str]:
    """The class folders of a split, sorted. Raises DataError."""
    folder = root / split
    if not folder.is_dir():
        raise DataError(
            f"data_dir {root} has no folder {split}/; it takes train/ and val/ with class folders in them"
            f"{remedy_by_content({entry.name for entry in root.iterdir()})}"
        )
    with _entries(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def shared_classes(root: Path) -> list[str]:
    """The classes that both splits have. Raises DataError where they differ or are too few."""
    train, val = classes_of(root, "train"), classes_of(root, "val")
    if train != val:
        raise DataError(_difference(root, set(train), set(val)))
    if len(train) < 2:
        raise DataError(f"{root / 'train'} has {len(train)} class folders; it takes two or more to tell apart")
    return train


def images_below(folder: Path, name: str) -> Iterator[str]:
    """Their paths below `folder`, with `name` in front.

    A folder is read once; the kind of an entry comes with it, so no file is asked for anything. What is hidden is no
    image, such as the `._cat.jpg` that macOS puts beside a `cat.jpg`. Raises DataError.
    """
    with _entries(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.name.lower().endswith(EXTENSIONS) and not entry.is_dir():
                yield f"{name}/{entry.name}"
            elif entry.is_dir() and not _leads_back(entry, folder):
                yield from images_below(Path(entry.path), f"{name}/{entry.name}")


@contextmanager
def _entries(folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
    try:
        with os.scandir(folder) as entries:
            yield entries
    except OSError as error:
        raise DataError(
            f"{shown(str(folder))} cannot be listed ({error.strerror or error}); make it readable for this user"
        ) from error


def _leads_back(entry: os.DirEntry[str], folder: Path) -> bool:
    """Whether a link leads to a folder that it lies in, whose images are listed already."""
    return entry.is_symlink() and folder.resolve().is_relative_to(Path(entry.path).resolve())


def _difference(root: Path, train: set[str], val: set[str]) -> str:
    sides = [("train/", train - val), ("val/", val - train)]
    told = [f"only {side} has {', '.join(sorted(names)[:SHOWN])}" for side, names in sides if names]
    return f"the classes of train/ and val/ in {root} differ: {'; '.join(told)}; make them the same"
