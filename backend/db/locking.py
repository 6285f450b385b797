"""Locks on files beside a SQLite database, which end with their holder."""

from __future__ import annotations

from pathlib import Path

from backend.errors import ResDropError
from worker.common.flock import flock


class NoFileLocks(ResDropError):
    """The database's folder is on a filesystem without file locks, which SQLite needs as well."""


def lock(descriptor: int, path: Path, *, wait: bool) -> bool:
    """False where another process has it, unless it is to `wait`. Raises NoFileLocks."""
    try:
        return flock(descriptor, wait=wait)
    except OSError as error:
        raise NoFileLocks(
            f"the folder {path.parent} is on a filesystem without file locks (flock: {error.strerror}), which SQLite "
            "needs; move the database to a local disk, or name a Postgres in RESDROP_DATABASE_URL"
        ) from error
