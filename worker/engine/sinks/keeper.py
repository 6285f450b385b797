"""Deletes the checkpoints that newer ones have replaced."""

from __future__ import annotations

from pathlib import Path

from worker.engine.checkpoint import newest_first
from worker.engine.ports import NullSink, SavedCheckpoint

KEPT = 2


class CheckpointKeeper(NullSink):
    """Keeps the two newest, should the newest be damaged, and the best."""

    def __init__(self, folder: Path, *, best: Path | None = None) -> None:
        self._folder = folder
        self._best = best

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        if saved.best:
            self._best = saved.path
        for path in newest_first(self._folder)[KEPT:]:
            if path != self._best:
                path.unlink()
