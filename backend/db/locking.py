"""Locks on files beside a SQLite database, which end with their holder."""

from __future__ import annotations

import fcntl
from pathlib import Path

from backend.errors import ResDropError


class NoFileLocks(ResDropError):
    """The database's folder is on a filesystem without file locks, which SQLite needs as well."""


def lock(descriptor: int, path: Path, *, wait: bool) -> bool:
    """False where another process has it, unless it is to `wait`. Raises NoFileLocks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        raise NoFileLocks(
            f"the folder {path.parent} is on a filesystem without file locks (flock: {error.strerror}), which SQLite "
            "needs; move the database to a local disk, or name a Postgres in RESDROP_DATABASE_URL"
        ) from error
    return True
