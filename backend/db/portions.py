"""Long lists of ids in statements, each of which takes only so many values (SQLite 32,766, Postgres 65,535)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy.exc import DBAPIError

IDS_AT_ONCE = 1000
#: SQLite's own words and those of libpq; Postgres has a class of SQLSTATE for it.
_OVER_LIMIT = ("too many SQL variables", "Expression tree is too large", "number of parameters must be between")
_OVER_LIMIT_CLASS = "54"


def portions(ids: Iterable[str]) -> Iterator[Sequence[str]]:
    """As many of `ids` at a time as a statement takes."""
    rest = iter(ids)
    while portion := list(islice(rest, IDS_AT_ONCE)):
        yield portion


def is_over_limit(error: BaseException) -> bool:
    """Is it the statement that the database refuses, and would again, however well it is?"""
    if not isinstance(error, DBAPIError):
        return False
    said = str(error.orig)
    return (getattr(error.orig, "sqlstate", None) or "").startswith(_OVER_LIMIT_CLASS) or any(
        text in said for text in _OVER_LIMIT
    )
