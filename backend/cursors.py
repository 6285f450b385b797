"""Pages of a list, and the cursors that lead from one to the next.

A cursor names the last row that was shown, so that rows which come or go between two pages make none appear twice or be
left out. It travels through clients, and so may come back as anything: whatever is not a cursor of the very list and
order is refused.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import InstrumentedAttribute

from backend.errors import BadInput

Row = TypeVar("Row")

#: A name of 200 characters that are folded to eighteen each, encoded.
LONGEST_CURSOR = 10_000
MOST_AT_ONCE = 500
#: Of our columns; Postgres does not compare them with more.
LARGEST_INTEGER = 2**31 - 1

#: Its form is described, and judged where its content is, so that every refusal says the same.
Cursor = Annotated[
    str, Field(json_schema_extra={"pattern": r"^[A-Za-z0-9_-]*$", "minLength": 1, "maxLength": LONGEST_CURSOR})
]
Limit = Annotated[int, Field(ge=1, le=MOST_AT_ONCE, description="How many at most.")]


class PageQuery(BaseModel):
    """What every list takes that has pages."""

    model_config = ConfigDict(extra="forbid")

    cursor: Cursor | None = Field(None, description="`next` of the page before; opaque.")
    limit: Limit = 100


def text(given: object) -> str:
    if not isinstance(given, str) or "\0" in given:
        raise TypeError(given)
    given.encode()  # half of a surrogate pair is nothing that a database takes
    return given


def number(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise TypeError(given)
    return float(given)


def integer(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= LARGEST_INTEGER:
        raise TypeError(given)
    return given


def moment(given: object) -> datetime:
    found = datetime.fromisoformat(text(given))
    if found.tzinfo is None:
        raise ValueError(given)
    return found.astimezone(UTC)


@dataclass(frozen=True)
class Key(Generic[Row]):
    """What rows are ordered by: never null, for null sorts first in one database and last in the other.

    `parse` takes what a cursor says of it; it raises ValueError, TypeError or OverflowError for another kind of thing.
    """

    column: ColumnElement[Any] | InstrumentedAttribute[Any]
    value: Callable[[Row], Any]
    parse: Callable[[object], Any]


@dataclass(frozen=True)
class Order(Generic[Row]):
    """The order of one list. The last of `keys` is different in every row; `name` tells one list's cursors from
    another's and holds whatever the list is of."""

    name: str
    keys: Sequence[Key[Row]]
    descends: bool = False

    def page(
        self, session: Session, wanted: Select[Row], *, cursor: str | None, limit: int
    ) -> tuple[list[Row], str | None]:
        """At most `limit` rows behind `cursor`, and the cursor of the next page if there is one. Raises BadInput."""
        if cursor is not None:
            wanted = wanted.where(self._behind(self._parsed(cursor)))
        columns = [key.column for key in self.keys]
        ordered = wanted.order_by(*(column.desc() if self.descends else column.asc() for column in columns))
        rows = list(session.execute(ordered.limit(limit + 1)).scalars())
        page = rows[:limit]
        return page, self._cursor_of(page[-1]) if len(rows) > limit else None

    def _behind(self, values: Sequence[Any]) -> ColumnElement[bool]:
        cases = []
        for index, (key, value) in enumerate(zip(self.keys, values, strict=True)):
            further = key.column < value if self.descends else key.column > value
            same = [earlier.column == values[at] for at, earlier in enumerate(self.keys[:index])]
            cases.append(and_(*same, further))
        return or_(*cases)

    def _cursor_of(self, row: Row) -> str:
        values = [key.value(row) for key in self.keys]
        said = [value.isoformat() if isinstance(value, datetime) else value for value in values]
        return _encoded(json.dumps([self.name, *said], ensure_ascii=False).encode())

    def _parsed(self, cursor: str) -> list[Any]:
        try:
            if len(cursor) > LONGEST_CURSOR:
                raise ValueError(len(cursor))
            content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            name, *values = json.loads(content)
            if name != self.name or _encoded(content) != cursor:
                raise ValueError(name)
            return [key.parse(value) for key, value in zip(self.keys, values, strict=True)]
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            sentence = "cursor is not one of this list; take it from `next` of the page before, with the same sort"
            raise BadInput({"cursor": [sentence]}) from error


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
