"""Whether a database can be used, asked before anything is started. The standard library and psycopg only.

SQL is the truth: nothing here repairs, moves or deletes anything of it.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import tempfile
import time
from contextlib import closing
from pathlib import Path

from backend.db.revisions import HEAD, NEWER_REMEDY, REVISIONS, TABLES, unknown_schema

#: A great database is looked through only as far as this takes; what is damaged deeper is told when it is met.
CHECK_SECONDS = 1.5
_BUSY_SECONDS = 5.0
_STEPS_BETWEEN_LOOKS = 10_000
#: The header of a write-ahead log alone.
_EMPTY_LOG_BYTES = 32
#: SQLite's own files beside the database, with what they are.
_BESIDE = {"-wal": "write-ahead log", "-shm": "index of the write-ahead log", "-journal": "rollback journal"}
#: With what a rollback journal begins; SQLite takes anything but a zero for one.
_JOURNAL_MARK = bytes.fromhex("d9d505f920a163d7")
#: What `_opened` says of a folder, a pipe or a link to nowhere.
_OF_ANOTHER_KIND = (errno.EISDIR, errno.EINVAL, errno.ENOENT)
_RESTORE = "bring it back from a backup, or move it away to begin with an empty one"


class Unusable(Exception):
    """`text` names the database and what is wrong with it."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(f"{text}: {remedy}.")
        self.text = text
        self.remedy = remedy


def check_sqlite(path: Path) -> None:
    """Raises Unusable. A file that is not there or is empty is a database that is yet to be made."""
    for suffix, what in _BESIDE.items():
        _check_beside(path.with_name(path.name + suffix), what, path)
    _refuse_link_loop(path)
    if not path.exists():
        _refuse_lone_log(path, "missing")
        _check_folder(path)
        return
    _check_opens(path)
    if path.stat().st_size == 0:
        _refuse_lone_log(path, "empty")
    try:
        # Read-only: otherwise closing it would write the log into a file that may be damaged. The one that writes is
        # closed before it, and so is not the last, which would do the same.
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as connection:
            _check_contents(connection, path)
            _check_takes_writes(path)
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            return
        raise Unusable(f"The database {path} cannot be used ({error}){_unfinished(path)}", _RESTORE) from error
    except sqlite3.DatabaseError as error:
        raise Unusable(f"The database {path} is damaged ({error})", _RESTORE) from error


def _refuse_link_loop(path: Path) -> None:
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Unusable(f"The database {path} cannot be used ({error.strerror})", _RESTORE) from error


def _check_beside(beside: Path, what: str, path: Path) -> None:
    """Of the file that SQLite keeps beside the database `path`, where it is there."""
    if not os.path.lexists(beside):
        return
    said = f"The {what} {beside} beside the database {path}"
    try:
        descriptor = _opened(beside)
    except OSError as error:
        raise Unusable(f"{said} cannot be used ({error.strerror})", _remedy(error)) from error
    with os.fdopen(descriptor, "rb") as file:
        begins = file.read(len(_JOURNAL_MARK)) if what == _BESIDE["-journal"] else b""
    if begins and begins[0] and begins != _JOURNAL_MARK:
        raise Unusable(f"{said} is not SQLite's: it holds something else", "move it away; the database stays as it is")


def _check_opens(path: Path) -> None:
    try:
        os.close(_opened(path))
    except OSError as error:
        remedy = _RESTORE if error.errno in _OF_ANOTHER_KIND else _remedy(error)
        raise Unusable(f"The database {path} cannot be used ({error.strerror})", remedy) from error


def _opened(path: Path) -> int:
    """A descriptor to read and write by, as SQLite needs it. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file")
    return descriptor


def _remedy(error: OSError) -> str:
    if error.errno in _OF_ANOTHER_KIND:
        return "move it away; the database stays as it is"
    return "make it, its folder and its disk writable (chmod, chattr -i, mount -o remount,rw), or choose another --home"


def _refuse_lone_log(path: Path, how: str) -> None:
    log = path.with_name(path.name + "-wal")
    if log.is_file() and log.stat().st_size > _EMPTY_LOG_BYTES:
        raise Unusable(
            f"The database {path} is {how}, but its write-ahead log {log.name} "
            f"holds {log.stat().st_size} bytes, which SQLite would delete",
            "bring the database back from a backup, or move the log away to begin with an empty one",
        )


def _check_folder(path: Path) -> None:
    """Can the database be made there?"""
    existing = next(folder for folder in path.parents if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        remedy = "make its folder and its disk writable, or name another database or --home"
        raise Unusable(f"The database {path} cannot be made ({error.strerror})", remedy) from error


def _check_takes_writes(path: Path) -> None:
    """By a write that is taken back. Raises Unusable and sqlite3.OperationalError."""
    address = f"{path.as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE check_of_writes (number INTEGER)")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise
            remedy = "make it, its folder and its disk writable, or choose another --home"
            raise Unusable(f"The database {path} takes no writes ({error})", remedy) from error


def _unfinished(path: Path) -> str:
    journal = path.with_name(path.name + "-journal")
    return f"; {journal.name} beside it is of an unfinished write, and has to stay with it" if journal.exists() else ""


def _check_contents(connection: sqlite3.Connection, path: Path) -> None:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    found = None
    if "alembic_version" in tables:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        found = str(row[0]) if row else None
    _check_revision(found, is_empty=not tables, name=str(path))
    if found == HEAD and (missing := TABLES - tables):
        names = ", ".join(sorted(missing))
        raise Unusable(f"The database {path} is damaged (it has no table {names})", _RESTORE)
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
        there = {name for (name,) in connection.execute("SELECT tablename FROM pg_tables")}
    _check_revision(str(row[0]) if row else None, is_empty=row is None, name="in RESDROP_DATABASE_URL")
    if row is not None and str(row[0]) == HEAD and (missing := TABLES - there):
        names = ", ".join(sorted(missing))
        raise Unusable(f"The database in RESDROP_DATABASE_URL is damaged (it has no table {names})", _RESTORE)


def _check_revision(found: str | None, *, is_empty: bool, name: str) -> None:
    if found is None and not is_empty:
        raise Unusable(f"The database {name} holds tables of another program", "name another database or --home")
    if found is not None and found not in REVISIONS:
        raise Unusable(f"The database {name} has {unknown_schema(found)}", NEWER_REMEDY)
