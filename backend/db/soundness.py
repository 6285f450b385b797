"""Whether a database can be used, asked before anything is started. The standard library and psycopg only.

SQL is the truth: nothing here repairs, moves or deletes anything of it.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from backend.db.revisions import NEWER_REMEDY, REVISIONS, unknown_schema

#: A great database is looked through only as far as this takes; what is damaged deeper is told when it is met.
CHECK_SECONDS = 1.5
_BUSY_SECONDS = 5.0
_STEPS_BETWEEN_LOOKS = 10_000
#: The header of a write-ahead log alone.
_EMPTY_LOG_BYTES = 32
_RESTORE = "bring it back from a backup, or move it away to begin with an empty one"


class Unusable(Exception):
    """`text` names the database and what is wrong with it."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(f"{text}: {remedy}.")
        self.text = text
        self.remedy = remedy


def check_sqlite(path: Path) -> None:
    """Raises Unusable. A file that is not there or is empty is a database that is yet to be made."""
    log = path.with_name(path.name + "-wal")
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        if log.is_file() and log.stat().st_size > _EMPTY_LOG_BYTES:
            raise Unusable(
                f"The database {path} is {'empty' if path.exists() else 'missing'}, but its write-ahead log {log.name} "
                f"holds {log.stat().st_size} bytes, which SQLite would delete",
                "bring the database back from a backup, or move the log away to begin with an empty one",
            )
        return
    try:
        # Read-only: otherwise closing it would write the log into a file that may be damaged.
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as connection:
            _check_contents(connection, path)
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            return
        raise Unusable(f"The database {path} cannot be used ({error})", _RESTORE) from error
    except sqlite3.DatabaseError as error:
        raise Unusable(f"The database {path} is damaged ({error})", _RESTORE) from error


def _check_contents(connection: sqlite3.Connection, path: Path) -> None:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    found = None
    if "alembic_version" in tables:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        found = str(row[0]) if row else None
    _check_revision(found, is_empty=not tables, name=str(path))
    damage = _damage(connection)
    if damage:
        raise Unusable(f"The database {path} is damaged ({damage})", _RESTORE)


def _damage(connection: sqlite3.Connection) -> str:
    """What SQLite itself finds wrong within `CHECK_SECONDS`; "" where that is nothing."""
    until = time.monotonic() + CHECK_SECONDS
    connection.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS_BETWEEN_LOOKS)
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            return ""
        raise
    finally:
        connection.set_progress_handler(None, 0)
    return "" if found == "ok" else " ".join(str(found).split())


def check_postgres(url: str) -> None:
    """Raises Unusable where another version has been at work, and psycopg.Error. `url` is SQLAlchemy's."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=5) as connection:
        if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
            return
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    _check_revision(str(row[0]) if row else None, is_empty=row is None, name="in RESDROP_DATABASE_URL")


def _check_revision(found: str | None, *, is_empty: bool, name: str) -> None:
    if found is None and not is_empty:
        raise Unusable(f"The database {name} holds tables of another program", "name another database or --home")
    if found is not None and found not in REVISIONS:
        raise Unusable(f"The database {name} has {unknown_schema(found)}", NEWER_REMEDY)
