"""The order of a list of runs, and cursors into it: they name the last run that was shown, so that runs which come or
go between two pages make none appear twice or be left out."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_
from sqlalchemy.orm.attributes import InstrumentedAttribute

from backend.db.tables import Run
from backend.errors import BadInput
from worker.contract.status import RunStatus

#: The share of its epochs that a run has trained.
_PROGRESS = case((Run.status == RunStatus.COMPLETED, 1.0), else_=Run.epoch / Run.config["epochs"].as_float())

# Never null, for null sorts first in one database and last in the other.
_KEYS: dict[str, ColumnElement[Any] | InstrumentedAttribute[Any]] = {
    "created_at": Run.created_at,
    "name": func.lower(Run.name),
    "status": Run.status,
    "best": func.coalesce(Run.best_top1, -1.0),
    "elapsed": Run.elapsed_seconds,
    "epoch": Run.epoch,
    "progress": _PROGRESS,
    "change": Run.change,
}
_VALUES: dict[str, Callable[[Run], Any]] = {
    "created_at": lambda run: run.created_at.isoformat(),
    "name": lambda run: run.name.lower(),
    "status": lambda run: run.status,
    "best": lambda run: run.best_top1 if run.best_top1 is not None else -1.0,
    "elapsed": lambda run: run.elapsed_seconds,
    "epoch": lambda run: run.epoch,
    "progress": lambda run: 1.0 if run.status == RunStatus.COMPLETED else run.epoch / float(run.config["epochs"]),
    "change": lambda run: run.change,
}


@dataclass(frozen=True)
class Sort:
    name: str
    descends: bool

    def order(self) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        key = _KEYS[self.name]
        return (key.desc(), Run.id.desc()) if self.descends else (key.asc(), Run.id.asc())

    def __str__(self) -> str:
        return f"-{self.name}" if self.descends else self.name


def parse_sort(text: str) -> Sort:
    """Raises BadInput."""
    name = text.removeprefix("-")
    if name not in _KEYS:
        raise BadInput({"sort": [f"sort {text!r} is none; take of {', '.join(_KEYS)}, with - before it to descend"]})
    return Sort(name, descends=text.startswith("-"))


def cursor_of(sort: Sort, run: Run) -> str:
    content = json.dumps([str(sort), _VALUES[sort.name](run), run.id])
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def after_cursor(sort: Sort, cursor: str) -> ColumnElement[bool]:
    """The runs behind the one that `cursor` names; raises BadInput."""
    value, run_id = _parsed(sort, cursor)
    key = _KEYS[sort.name]
    if sort.descends:
        return or_(key < value, and_(key == value, Run.id < run_id))
    return or_(key > value, and_(key == value, Run.id > run_id))


def _parsed(sort: Sort, cursor: str) -> tuple[Any, str]:
    try:
        content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        named, value, run_id = json.loads(content)
        if named != str(sort) or not isinstance(run_id, str) or "\0" in run_id:
            raise ValueError(named)
        return _as_stored(sort, value), run_id
    except (ValueError, TypeError, binascii.Error) as error:
        text = "cursor is not one of this list; take it from `next` of the page before, with the same sort"
        raise BadInput({"cursor": [text]}) from error


def _as_stored(sort: Sort, value: Any) -> Any:
    """Raises ValueError or TypeError where the value is not of the kind that the list is sorted by."""
    if sort.name == "created_at":
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError(value)
        return moment
    expected: type | tuple[type, ...] = str if sort.name in ("name", "status") else (int, float)
    if not isinstance(value, expected) or (isinstance(value, str) and "\0" in value):
        raise TypeError(value)
    return value
