"""No key of a JSON body is passed over: an object that has one twice is refused, where readers take the last."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fastapi import Request

from backend.errors import BadInput

_KEY_LENGTH = 80


class _Object(list[tuple[str, Any]]):
    """The members of a JSON object as they stand, each with its key."""


async def refuse_repeated_keys(request: Request) -> None:
    """For every route, as a dependency, which FastAPI asks before it judges the body. Raises BadInput."""
    if getattr(request.scope.get("route"), "body_field", None) is None:
        return
    try:
        content = json.loads(await request.body(), object_pairs_hook=_Object)
    except (ValueError, RecursionError):
        return  # which is told in FastAPI's own way
    errors = {_named(key, place): [_sentence(key, place, count)] for key, place, count in _repeated(content)}
    if errors:
        raise BadInput(errors)


def _repeated(content: Any) -> Iterator[tuple[str, str, int]]:
    """Each key that an object has more than once, where that object is, and how often it has it."""
    waiting: list[tuple[str, Any]] = [("", content)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, _Object):
            counts = Counter(key for key, _ in value)
            yield from ((key, place, count) for key, count in counts.items() if count > 1)
            waiting += [(f"{place}.{key[:_KEY_LENGTH]}" if place else key[:_KEY_LENGTH], item) for key, item in value]
        elif isinstance(value, list):
            waiting += [(f"{place}[{index}]", item) for index, item in enumerate(value)]


def _named(key: str, place: str) -> str:
    """As the other refusals name a field: a setting by itself."""
    inner = place.removeprefix("config").removeprefix(".")
    return f"{inner}.{key[:_KEY_LENGTH]}" if inner else key[:_KEY_LENGTH]


def _sentence(key: str, place: str, count: int) -> str:
    where = f"in {place}" if place else "in the body"
    return f"{key[:_KEY_LENGTH]!r} is there {count} times {where}; give it once"
