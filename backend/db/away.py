"""What a database means that refuses to work, in words for a person."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.exc import DBAPIError

from backend.settings import Settings
from worker.common.disk import room_at

#: SQLite's own words, and the SQLSTATE of Postgres, for a disk that takes nothing more.
_FULL = "database or disk is full"
_FULL_STATE = "53100"
_READ_ONLY = ("attempt to write a readonly database",)
_DAMAGED = ("malformed", "file is not a database", "unsupported file format")
#: Said of a disk that is full, too, where SQLite needs a file beside the database.
_INPUT_OUTPUT = ("disk I/O error", "unable to open database file")
_AS_GOOD_AS_FULL = 1 << 16


def is_disk_full(error: BaseException) -> bool:
    """Is it the disk that has no room?"""
    if not isinstance(error, DBAPIError):
        return False
    return _FULL in str(error.orig) or getattr(error.orig, "sqlstate", "") == _FULL_STATE


def explained(error: BaseException, settings: Settings) -> str | None:
    """What is the matter and what to do; None where it only has to be waited for (it is locked, restarted, away)."""
    said = str(error.orig) if isinstance(error, DBAPIError) else ""
    name = _name(settings)
    if is_disk_full(error) or (any(text in said for text in _INPUT_OUTPUT) and _has_no_room(settings)):
        return f"the disk of the database {name} is full; make room there, and everything goes on by itself"
    if any(text in said for text in _READ_ONLY):
        return f"the database {name} cannot be written to ({said}); make its folder and its disk writable again"
    if any(text in said for text in _DAMAGED):
        return f"the database {name} is damaged ({said}); stop ResDrop and bring it back from a backup"
    if any(text in said for text in _INPUT_OUTPUT):
        return f"the disk of the database {name} fails ({said}); see to it, everything goes on by itself afterwards"
    return None


def _has_no_room(settings: Settings) -> bool:
    try:
        return room_at(Path(_name(settings)).parent).lacks(_AS_GOOD_AS_FULL)
    except OSError:
        return False


def _name(settings: Settings) -> str:
    is_sqlite = settings.database_url.startswith("sqlite:///")
    return settings.database_url.removeprefix("sqlite:///") if is_sqlite else "of RESDROP_DATABASE_URL"
