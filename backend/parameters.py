"""No parameter is passed over: what an operation does not take, or takes once and got twice, is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from inspect import isclass
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from fastapi import Request
from fastapi.params import Query
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from backend.errors import BadInput


async def refuse_undeclared(request: Request) -> None:
    """For every route, as a dependency. Raises BadInput."""
    refuse_others(request, query_parameters(request.scope["endpoint"]))


def refuse_others(request: HTTPConnection, taken: Mapping[str, bool]) -> None:
    """`taken` names the parameters that there are, and whether each may be given several times. Raises BadInput."""
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
    found: dict[str, bool] = {}
    for name, hint in get_type_hints(endpoint, include_extras=True).items():
        kind, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        mark = next((mark for mark in marks if isinstance(mark, Query)), None)
        if mark is None:
            continue
        if isclass(kind) and issubclass(kind, BaseModel):
            found |= {field.alias or field_name: False for field_name, field in kind.model_fields.items()}
        else:
            found[mark.alias or name] = get_origin(kind) is list
    return MappingProxyType(found)
