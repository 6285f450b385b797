"""What a preparation has done so far, beside what it makes, so that the next one goes on from there."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from worker.engine.atomic import write_text
from worker.engine.prepare.release import PrepareRefused

STATE, LOCK = ".resdrop-prepare.json", ".resdrop-prepare.lock"


@dataclass
class State:
    """`sums` has the MD5 sum of an archive under its name, size and time of change; `classes` the number of images
    and bytes of each class whose folder is whole."""

    path: Path
    sums: dict[str, str] = field(default_factory=dict)
    classes: dict[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, out: Path) -> State:
        """An unreadable state is none: what it would have spared is done again."""
        path = out / STATE
        try:
            held = json.loads(path.read_text())
            classes = {wnid: (int(count), int(size)) for wnid, (count, size) in held["classes"].items()}
            return cls(path, dict(held["sums"]), classes)
        except (OSError, ValueError, KeyError, TypeError):
            return cls(path)

    def write(self) -> None:
        write_text(self.path, json.dumps({"sums": self.sums, "classes": self.classes}))

    def is_whole(self, wnid: str, folder: Path) -> bool:
        """By the sizes of the files that are there: after a power cut some may be empty."""
        return wnid in self.classes and contents_of(folder) == self.classes[wnid]


def contents_of(folder: Path) -> tuple[int, int]:
    """The number of files in a folder, and their bytes."""
    if not folder.is_dir():
        return 0, 0
    with os.scandir(folder) as entries:
        sizes = [entry.stat().st_size for entry in entries if entry.is_file()]
    return len(sizes), sum(sizes)


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Raises PrepareRefused while another preparation works there."""
    with (out / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise PrepareRefused(f"another preparation is at work in {out}; wait for it, or end it") from error
        yield
