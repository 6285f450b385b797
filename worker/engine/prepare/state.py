"""What a preparation has done so far, beside what it makes, so that the next one goes on from there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from worker.common.file_lock import LockTaken, exclusive
from worker.engine.atomic import write_text
from worker.engine.prepare.release import PrepareRefused

FOLDER, LOCK, SUMS, CLASSES, VAL = ".resdrop-prepare", "lock", "sums.json", "classes", "val"


@dataclass(frozen=True)
class Count:
    """Files, and their bytes."""

    images: int
    size: int


@dataclass(frozen=True)
class State:
    """In a folder: the sums of archives that were right, and a file for each class whose folder is whole.

    Whoever has extracted a class writes its file, so that nothing is lost with the process that gave the order. What
    has no such file is somebody else's.
    """

    folder: Path

    def sum_of(self, archive: Path) -> str | None:
        """What it was when it was taken; another size or time of change make it another file."""
        return self._sums().get(_key(archive))

    def note_sum(self, archive: Path, found: str) -> None:
        write_text(self.folder / SUMS, json.dumps(self._sums() | {_key(archive): found}))

    def marker(self, wnid: str) -> Path:
        return self.folder / CLASSES / wnid

    @property
    def val_marker(self) -> Path:
        """There since the first validation image was about to be extracted."""
        return self.folder / VAL

    def extracted(self, wnid: str) -> Count | None:
        try:
            images, size = self.marker(wnid).read_text().split()
            return Count(int(images), int(size))
        except (OSError, ValueError):
            return None

    def is_whole(self, wnid: str, folder: Path) -> bool:
        """By the sizes of the files that are there: after a power cut some may be empty."""
        return count_of(folder) == self.extracted(wnid)

    def _sums(self) -> dict[str, str]:
        """An unreadable file is none: the sums are taken again."""
        try:
            return dict(json.loads((self.folder / SUMS).read_text()))
        except (OSError, ValueError, TypeError):
            return {}


def note_extracted(marker: Path, count: Count) -> None:
    marker.parent.mkdir(parents=True, exist_ok=True)
    write_text(marker, f"{count.images} {count.size}\n")


def count_of(folder: Path) -> Count:
    if not folder.is_dir():
        return Count(0, 0)
    with os.scandir(folder) as entries:
        sizes = [entry.stat().st_size for entry in entries if entry.is_file()]
    return Count(len(sizes), sum(sizes))


@contextmanager
def state_of(out: Path) -> Iterator[State]:
    """Raises PrepareRefused while another preparation works there."""
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(folder / LOCK))
        except LockTaken as taken:
            raise PrepareRefused(f"{taken.who} is preparing in {out}; wait for it, or end it") from taken
        yield State(folder)


def _key(archive: Path) -> str:
    found = archive.stat()
    return f"{archive.name} {found.st_size} {found.st_mtime_ns}"
