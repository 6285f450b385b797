"""Brings a database to the schema of this version; safe when several processes start at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.engine import make_url

from backend.db.locking import lock
from backend.db.revisions import HEAD, NEWER_REMEDY, REVISIONS, unknown_schema
from backend.db.session import Database
from backend.errors import ResDropError

#: Of Postgres's advisory lock; any number that nobody else in that database takes.
LOCK_NUMBER = 7_302_871


class UnknownSchema(ResDropError):
    """The database is of a version that this one does not know."""


def upgrade(database: Database) -> None:
    """Raises UnknownSchema where a newer version has been at work, and NoFileLocks."""
    with _exclusively(database):
        if _revision(database) != HEAD:
            _run_alembic(database)


def _revision(database: Database) -> str | None:
    """None where nothing has been made yet."""
    with database.read() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            return None
        found: str | None = session.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and found not in REVISIONS:
        raise UnknownSchema(f"the database has {unknown_schema(found)}; {NEWER_REMEDY}")
    return found


def _run_alembic(database: Database) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _exclusively(database: Database) -> Iterator[None]:
    """One process at a time; on SQLite even for the first connection, which turns the file to WAL."""
    if database.is_sqlite:
        path = Path(f"{make_url(database.url).database}.migrating")
        with path.open("w") as file:
            lock(file.fileno(), path, wait=True)
            yield
        return
    with database.engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK_NUMBER})
        yield
