"""Which files are in the class folders: a million names in a minute, and in little memory."""

from __future__ import annotations

import errno
import hashlib
import os
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import numpy as np
import numpy.typing as npt

from worker.contract.datasets import remedy_by_content
from worker.engine.data.errors import DataError, shown_path
from worker.engine.data.images import Indices

#: How the names of images end; whether one can be decoded, its bytes decide.
EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
    *(".png", ".apng", ".bmp", ".dib", ".gif", ".webp", ".avif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".j2c", ".jpf", ".jpx", ".jpc"),
    *(".tga", ".ico", ".pcx", ".qoi", ".sgi", ".ras"),
)
NOT_A_FILE = "pipe, socket or device"
BROKEN_LINK = "link to nothing"
#: What following a link ends with that leads to itself, through a file, or to what can be no name.
_NOWHERE = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG})
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


@dataclass
class LeftOut:
    """What lies among the images of a split and is not taken, counted by the end of its name; hidden files are not.

    `broken_links` has the names of those that led nowhere when they were listed.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    first: str = ""
    broken_links: list[str] = field(default_factory=list)

    def add(self, name: str, kind: str | None = None) -> None:
        self.kinds[kind or PurePath(name).suffix.lower() or "without an extension"] += 1
        self.first = self.first or name
        if kind == BROKEN_LINK:
            self.broken_links.append(name)

    def sentence(self, split: str) -> str:
        kinds = ", ".join(f"{count:,} {shown_path(kind)}" for kind, count in self.kinds.most_common(SHOWN))
        more = f" and {len(self.kinds) - SHOWN} other kinds" if len(self.kinds) > SHOWN else ""
        return (
            f"{split}/ holds {self.kinds.total():,} files that are not taken for images ({kinds}{more}), such as "
            f"{shown_path(self.first)}; taken is what lies in a class folder and is named like an image (.jpg, .png, "
            f"...){self._remedy_of_links()}"
        )

    def _remedy_of_links(self) -> str:
        if not self.broken_links:
            return ""
        return f"; mend or remove the links that lead nowhere, such as {shown_path(self.broken_links[0])}"


def listed(root: Path, classes: list[str], left_out: LeftOut | None = None) -> Listing:
    """Notes in `left_out` what is not taken. Raises DataError for a class without images."""
    left_out = left_out if left_out is not None else LeftOut()
    note_loose_files(root, left_out)
    names, counts = [], []
    for folder in classes:
        found = sorted(images_below(root / folder, folder, left_out))
        if not found:
            raise DataError(f"{shown_path(str(root / folder))} holds no images{_why_none(folder, left_out)}")
        names.append(np.array([os.fsencode(name) for name in found]))
        counts.append(len(found))
    return Listing(root, np.concatenate(names), np.repeat(np.arange(len(classes)), counts).astype(np.int64))


def _why_none(folder: str, left_out: LeftOut) -> str:
    broken = sum(PurePath(name).parts[0] == folder for name in left_out.broken_links)
    if broken:
        return f", and {broken:,} links that lead nowhere; see that what they lead to is there, as on a mounted disk"
    return f" ({', '.join(EXTENSIONS)})"


def note_loose_files(root: Path, left_out: LeftOut) -> None:
    """Files beside the class folders belong to no class."""
    with _entries(root) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and not _is_folder(entry):
                left_out.add(entry.name, "outside the class folders")


def classes_of(root: Path, split: str) -> list[str]:
    """The class folders of a split, sorted. Raises DataError."""
    folder = root / split
    if not folder.is_dir():
        raise DataError(
            f"data_dir {root} has no folder {split}/; it takes train/ and val/ with class folders in them"
            f"{remedy_by_content({entry.name for entry in root.iterdir()})}"
        )
    with _entries(folder) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith(".") and _is_folder(entry))


def shared_classes(root: Path) -> list[str]:
    """The classes that both splits have. Raises DataError where they differ or are too few."""
    train, val = classes_of(root, "train"), classes_of(root, "val")
    if train != val:
        raise DataError(_difference(root, set(train), set(val)))
    if len(train) < 2:
        raise DataError(f"{root / 'train'} has {len(train)} class folders; it takes two or more to tell apart")
    return train


def images_below(folder: Path, name: str, left_out: LeftOut) -> Iterator[str]:
    """Their paths below `folder`, with `name` in front.

    A folder is read once, whatever links lead to it, and by its own path where it lies below `folder`; the kind of an
    entry comes with it, so no file is asked for anything. What is hidden is no image, such as the `._cat.jpg` that
    macOS puts beside a `cat.jpg`. A link that leads nowhere is left out. Raises DataError.
    """
    seen: set[tuple[int, int]] = set()
    folders, links = [(folder, name)], deque[tuple[Path, str]]()
    while folders or links:
        # Those that are no links first, so that the order in which a disk tells of them changes nothing.
        place, path = folders.pop() if folders else links.popleft()
        if not _is_new(place, seen):
            continue
        linked = []
        with _entries(place) as entries:
            for entry in entries:
                below = f"{path}/{entry.name}"
                if entry.name.startswith("."):
                    continue
                if _is_folder(entry):
                    if not entry.is_symlink():
                        folders.append((Path(entry.path), below))
                    elif not _leads_back(entry, place):
                        linked.append((Path(entry.path), below))
                elif kind := _kind_of_no_file(entry):
                    left_out.add(below, kind)
                elif entry.name.lower().endswith(EXTENSIONS):
                    yield below
                else:
                    left_out.add(below)
        links.extend(sorted(linked))


def _is_new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    try:
        found = folder.stat()
    except OSError:
        return True  # listing it will say why not
    place = (found.st_dev, found.st_ino)
    is_new = place not in seen
    seen.add(place)
    return is_new


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that cannot be followed, such as one to itself
        return False


def _kind_of_no_file(entry: os.DirEntry[str]) -> str | None:
    """None where it is a file, or where its disk does not say: then it is named when it is read."""
    try:
        if entry.is_file():
            return None
        return BROKEN_LINK if entry.is_symlink() and not os.path.exists(entry.path) else NOT_A_FILE  # noqa: PTH110
    except OSError as error:
        return BROKEN_LINK if error.errno in _NOWHERE else None


@contextmanager
def _entries(folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
    try:
        with os.scandir(folder) as entries:
            yield entries
    except OSError as error:
        raise DataError(
            f"{shown_path(str(folder))} cannot be listed ({error.strerror or error}); make it readable for this user"
        ) from error


def _leads_back(entry: os.DirEntry[str], folder: Path) -> bool:
    """Whether a link leads to a folder that it lies in, also one above the class folder, whose images are of others."""
    return folder.resolve().is_relative_to(Path(entry.path).resolve())


def _difference(root: Path, train: set[str], val: set[str]) -> str:
    sides = [("train/", train - val), ("val/", val - train)]
    told = [f"only {side} has {shown_path(', '.join(sorted(names)[:SHOWN]))}" for side, names in sides if names]
    return f"the classes of train/ and val/ in {root} differ: {'; '.join(told)}; make them the same"
