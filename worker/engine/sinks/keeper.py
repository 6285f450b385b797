"""Deletes the checkpoints that newer ones have replaced, and names the last and the best."""

from __future__ import annotations

from pathlib import Path

from worker.engine.checkpoint import newest_first
from worker.engine.ports import NullSink, RunStarted, SavedCheckpoint

LAST, BEST = "last.pt", "best.pt"


class CheckpointKeeper(NullSink):
    """Keeps the `newest`, two or more should the newest be damaged, and the best; two links say which they are.

    `last` and `best` are those of the run so far, whose links a kill may have prevented.
    """

    def __init__(self, folder: Path, *, newest: int, last: Path | None = None, best: Path | None = None) -> None:
        self._folder = folder
        self._newest = newest
        self._last = last
        self._best = best

    def started(self, run: RunStarted) -> None:  # noqa: ARG002  where it starts is where `last` is
        for name, path in ((LAST, self._last), (BEST, self._best)):
            if path is not None and path.exists():
                _point(self._folder / name, path)

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        if saved.best:
            self._best = saved.path
            _point(self._folder / BEST, saved.path)
        _point(self._folder / LAST, saved.path)
        for path in newest_first(self._folder)[self._newest :]:
            if path != self._best:
                path.unlink()


def _point(link: Path, target: Path) -> None:
    """Never to nothing in between, and still right when the folder is moved."""
    fresh = link.with_name(f"{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target.name)
    fresh.replace(link)
