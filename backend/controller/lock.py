"""The lock that keeps the controller single: it dies with its holder, whichever way that dies."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from backend.db.locking import lock
from backend.db.session import Database

#: An arbitrary number, the same in every controller.
_ADVISORY_LOCK = 7_300_150_110


class ControllerLock(Protocol):
    def take(self) -> bool:
        """Tries once; True if it is held from now on. Raises NoFileLocks."""

    def is_held(self) -> bool: ...

    def release(self) -> None: ...


def lock_of(database: Database) -> ControllerLock:
    if not database.is_sqlite:
        return AdvisoryLock(database)
    return FileLock(Path(f"{make_url(database.url).database}.controller.lock"))


class FileLock:
    """A lock on a file beside the database, which is on a local disk as SQLite demands."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if lock(descriptor, self._path, wait=False):
                self._descriptor = descriptor
        finally:
            if self._descriptor is None:
                os.close(descriptor)
        return self.is_held()

    def is_held(self) -> bool:
        return self._descriptor is not None

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class AdvisoryLock:
    """A session lock of Postgres on a connection of its own; whoever loses the connection loses the lock."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connection: Connection | None = None

    def take(self) -> bool:
        connection = self._engine.connect()
        if connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_LOCK}).scalar_one():
            self._connection = connection
            return True
        connection.close()
        return False

    def is_held(self) -> bool:
        try:
            return self._connection is not None and self._connection.execute(text("SELECT 1")).scalar_one() == 1
        except SQLAlchemyError:
            return False

    def release(self) -> None:
        """Ends the session rather than returning it to the pool, lest it keep the lock."""
        if self._connection is None:
            return
        with suppress(SQLAlchemyError):
            self._connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
        self._connection.invalidate()
        self._connection.close()
        self._connection = None
