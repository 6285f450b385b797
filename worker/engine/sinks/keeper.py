"""Deletes the checkpoints that newer ones have replaced, and names the last and the best."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from worker.engine.checkpoint import newest_first
from worker.engine.ports import NullSink, RunStarted, SavedCheckpoint
from worker.engine.sinks.deferred import Refusals

LAST, BEST = "last.pt", "best.pt"
#: What filesystems answer that have no links of the kind.
NO_LINKS = frozenset({errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


class CheckpointKeeper(NullSink):
    """Keeps the `newest`, two or more should the newest be damaged, and the best; two links name the last and it.

    `last` and `best` are those of the run so far, whose links a kill may have prevented.
    """

    def __init__(
        self,
        folder: Path,
        refusals: Refusals | None = None,
        *,
        newest: int,
        last: Path | None = None,
        best: Path | None = None,
    ) -> None:
        self._folder = folder
        self._refusals = refusals or Refusals(folder.parent)
        #: Links that the disk did not take.
        self._missing: dict[str, Path] = {}
        self._newest = newest
        self._last = last
        self._best = best

    def started(self, run: RunStarted) -> None:  # noqa: ARG002  where it starts is where `last` is
        for name, path in ((LAST, self._last), (BEST, self._best)):
            if path is not None and path.exists():
                self._point(name, path)

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        if saved.best:
            self._best = saved.path
            self._point(BEST, saved.path)
        self._point(LAST, saved.path)
        for path in self._written_until(saved.path)[self._newest :]:
            if path != self._best:
                path.unlink(missing_ok=True)

    def flush(self) -> bool:
        for name, path in tuple(self._missing.items()):
            self._point(name, path)
        return not self._missing

    def _point(self, name: str, target: Path) -> None:
        try:
            _point(self._folder / name, target)
        except OSError as error:
            self._missing[name] = target
            self._refusals.note(f"{self._folder.name}/{name}", error)
        else:
            self._missing.pop(name, None)
            self._refusals.clear(f"{self._folder.name}/{name}")

    def _written_until(self, newest: Path) -> list[Path]:
        """Without those of later steps, which are not of this training, and without what is no file."""
        written = newest_first(self._folder)
        later = written.index(newest) if newest in written else 0
        return [path for path in written[later:] if path.is_file()]


def _point(link: Path, target: Path) -> None:
    """Never to nothing in between, and still right when the folder is moved."""
    fresh = link.with_name(f"{link.name}.new")
    fresh.unlink(missing_ok=True)
    _link_or_copy(fresh, target)
    fresh.replace(link)


def _link_or_copy(fresh: Path, target: Path) -> None:
    """A symbolic link; a hard one or a copy on filesystems that have none, such as FAT and SMB."""
    if not _made(fresh.symlink_to, target.name) and not _made(fresh.hardlink_to, target):
        shutil.copyfile(target, fresh)


def _made(link: Callable[[Any], None], target: str | Path) -> bool:
    """False where the filesystem has no such link. Raises OSError."""
    try:
        link(target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        return False
    return True
