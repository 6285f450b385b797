"""Engines and transactions for both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT_MILLISECONDS = 5000
#: Of Postgres's advisory locks; see Database.
WRITE_LOCK_NUMBER = 7_302_872


class Database:
    """Hands out transactions. On SQLite every write begins IMMEDIATE: reading first and locking later failed
    4,833 of 8,000 times among 4 processes, taking the lock at once never did. Postgres does the same with an advisory
    lock: otherwise one who holds a run and waits for the change counter meets one who holds the counter and waits
    for the run."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgres_engine(url)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that commits at the end, or rolls back when an error leaves it."""
        with Session(self._engine(immediate=True), expire_on_commit=False) as session, session.begin():
            if not self.is_sqlite:
                session.execute(text(f"SET LOCAL lock_timeout = {BUSY_TIMEOUT_MILLISECONDS}"))
                session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": WRITE_LOCK_NUMBER})
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent view; nothing that is changed in it is kept."""
        with Session(self._engine(immediate=False), expire_on_commit=False) as session:
            yield session

    def _engine(self, *, immediate: bool) -> Engine:
        if self.is_sqlite:
            return self.engine.execution_options(resdrop_immediate=immediate)
        return self.engine.execution_options(isolation_level="READ COMMITTED" if immediate else "REPEATABLE READ")

    def close(self) -> None:
        self.engine.dispose()


def _postgres_engine(url: str) -> Engine:
    # A server that was set up in the C locale would hand every text over as bytes.
    return create_engine(url, pool_pre_ping=True, connect_args={"client_encoding": "utf8"})


def _sqlite_engine(url: str) -> Engine:
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _on_sqlite_connect)
    event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def _on_sqlite_connect(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # The driver's own BEGIN comes too late (before the first write) and is DEFERRED; we send ours.
    connection.isolation_level = None
    cursor = connection.cursor()
    # FULL syncs the log at each commit: what a user was answered for, and what workers forget because it is in SQL, is
    # still there after a power failure. NORMAL syncs only when the log is written back, and loses the last commits.
    for pragma in (
        "journal_mode=WAL",
        f"busy_timeout={BUSY_TIMEOUT_MILLISECONDS}",
        "foreign_keys=ON",
        "synchronous=FULL",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_sqlite_begin(connection: Any) -> None:
    immediate = connection.get_execution_options().get("resdrop_immediate", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN DEFERRED")
