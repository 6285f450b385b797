"""The one clock by which the parts of the service tell each other how long ago something was."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session


def service_now(session: Session) -> datetime:
    """This machine's clock on SQLite, which has all parts on one machine, and else that of the database's server."""
    if session.get_bind().dialect.name == "sqlite":
        return datetime.now(UTC)
    with session.no_autoflush:  # what is half made must not be written for a look at the clock
        now: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return now.astimezone(UTC)
