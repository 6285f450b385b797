"""The id of a storage root, found again from the checkpoints that lie in it."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from backend.db.session import Database
from backend.db.tables import Checkpoint
from backend.runs.files import path_below
from backend.settings import Settings

#: The newest are enough: a root has one id.
_LOOKED_AT = 1000


def known_root_id(settings: Settings) -> str | None:
    """The id under which SQL knows the checkpoints that are here; None where it knows none of them."""
    newest = select(Checkpoint.root_id, Checkpoint.path).order_by(Checkpoint.id.desc()).limit(_LOOKED_AT)
    database = Database(settings.database_url)
    try:
        with database.read() as session:
            known = session.execute(newest).all()
    except SQLAlchemyError:
        # There are no tables yet, or the database is away: whoever needs it says so.
        return None
    finally:
        database.close()
    here = Counter(root_id for root_id, path in known if _is_here(settings, path))
    return here.most_common(1)[0][0] if here else None


def _is_here(settings: Settings, path: str) -> bool:
    found = path_below(settings.files, path)
    return found is not None and found.is_file()
