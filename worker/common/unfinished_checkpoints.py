"""What a kill leaves of a checkpoint that was being written: known to supervisors too, which never import torch."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from worker.common.flock import flock

SUFFIX = ".partial"


def mark_in_use(descriptor: int) -> None:
    """Keeps an unfinished file from being removed while its writer lives, where the filesystem has such locks."""
    with suppress(OSError):
        flock(descriptor)


def remove_unfinished(folder: Path) -> list[Path]:
    """Removes the unfinished checkpoints in `folder` that nobody writes to any more, and returns them."""
    removed = []
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(OSError):
            if _is_left(path):
                path.unlink()
                removed.append(path)
    return removed


def _is_left(path: Path) -> bool:
    """Raises OSError where the filesystem does not tell: then it stays until its own folder is written to again."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return flock(descriptor)
    finally:
        os.close(descriptor)
