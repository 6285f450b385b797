"""No parameter is passed over: what an operation does not take, or takes once and got twice, is refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from inspect import isclass
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from urllib.parse import unquote_to_bytes

from fastapi import Request
from fastapi.params import Query
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from backend.errors import BadInput

_WHOLE = re.compile(r"-?[0-9]+")
_LONGEST = 80


async def refuse_undeclared(request: Request) -> None:
    """For every route, as a dependency. Raises BadInput."""
    endpoint = request.scope["endpoint"]
    refuse_others(request, query_parameters(endpoint))
    odd = {
        name: [f"{name} {value[:_LONGEST]!r} is not a whole number; give one such as 3"]
        for name, value in request.query_params.multi_items()
        if name in whole_numbers(endpoint) and not _WHOLE.fullmatch(value) and _is_taken_for_one(value)
    }
    if odd:
        raise BadInput(odd)


def _is_taken_for_one(value: str) -> bool:
    """What Python reads as a whole number beyond digits alone: "1_0", "+1", " 1"."""
    try:
        int(value)
    except ValueError:
        return False
    return True


def refuse_others(request: HTTPConnection, taken: Mapping[str, bool]) -> None:
    """`taken` names the parameters that there are, and whether each may be given several times. Raises BadInput."""
    try:
        unquote_to_bytes(request.scope.get("query_string", b"")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput({"query": ["the query has bytes that are no UTF-8 text; send it as UTF-8"]}) from error
    given = Counter(name for name, _ in request.query_params.multi_items())
    there_are = f"there are {', '.join(sorted(taken))}" if taken else "there are none"
    errors = {
        name: [f"there is no field {name[:80]!r} here; of parameters of {request.url.path} {there_are}"]
        for name in given
        if name not in taken
    }
    for name, count in given.items():
        if count > 1 and not taken.get(name, True):
            errors[name] = [f"{name} is there {count} times; give it once"]
    if errors:
        raise BadInput(errors)


@cache
def query_parameters(endpoint: Callable[..., Any]) -> Mapping[str, bool]:
    """The names that a route's function takes from the query, and whether each may be given several times."""
    return MappingProxyType({name: get_origin(kind) is list for name, kind in _kinds(endpoint)})


@cache
def whole_numbers(endpoint: Callable[..., Any]) -> frozenset[str]:
    """Those of them that are whole numbers."""
    return frozenset(name for name, kind in _kinds(endpoint) if kind is int or int in get_args(kind))


def _kinds(endpoint: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    for name, hint in get_type_hints(endpoint, include_extras=True).items():
        kind, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        mark = next((mark for mark in marks if isinstance(mark, Query)), None)
        if mark is None:
            continue
        if isclass(kind) and issubclass(kind, BaseModel):
            yield from ((field.alias or name, field.annotation) for name, field in kind.model_fields.items())
        else:
            yield mark.alias or name, kind
