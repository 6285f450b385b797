"""Messages that could not be taken in: kept for a person to look at, the newest of them, and counted."""

from __future__ import annotations

import re

from sqlalchemy import delete
from sqlalchemy.orm import Session

from backend.controller.stream import Entry
from backend.db.clock import service_now
from backend.db.tables import SetAside

KEPT = 1000
_PRUNE_EVERY = 100
_LENGTH = 10_000
_LONGEST_WORD = 60
_OVERLONG = re.compile(rf"\S{{{_LONGEST_WORD + 1},}}")


def set_aside(session: Session, entry: Entry, why: str) -> None:
    kept = SetAside(at=service_now(session), entry_id=entry.id, why=_text(_shortened(why)), message=_text(entry.body))
    session.add(kept)
    session.flush()
    if kept.id % _PRUNE_EVERY == 0:
        session.execute(delete(SetAside).where(SetAside.id <= kept.id - KEPT))


def _shortened(why: str) -> str:
    """For a person: of what is no word but an id of a megabyte only the beginning. The message has all of it."""
    return _OVERLONG.sub(lambda found: f"{found[0][:_LONGEST_WORD]}…", why)


def _text(text: str) -> str:
    """Postgres takes no NUL in a text, and no database half a surrogate pair."""
    return text[:_LENGTH].replace("\0", "�").encode("utf-8", "replace").decode()
