"""Errors as `application/problem+json` (RFC 9457): the one table from what went wrong to a status."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from backend.db.away import explained, is_disk_full
from backend.errors import BadInput, Conflict, NotFound
from backend.pages import page_for
from worker.contract.errors import sentences_by_field

log = logging.getLogger(__name__)

_TITLES = {
    400: "Not understood",
    401: "Token needed",
    403: "Refused",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Not JSON",
    416: "No such range",
    422: "Bad input",
    500: "Internal error",
    503: "Not available",
    507: "Disk full",
}
_TYPES = {
    400: "bad-request",
    401: "token-needed",
    403: "refused",
    404: "not-found",
    405: "method-not-allowed",
    409: "conflict",
    413: "too-large",
    415: "not-json",
    416: "no-such-range",
    422: "bad-input",
    500: "internal-error",
    503: "not-available",
    507: "disk-full",
}
#: Where an error lies in a request, which is no part of a field's name.
_PLACES = {"body", "query", "path", "header", "cookie", "config"}


_EXAMPLE: JsonDict = {
    "type": "urn:resdrop:problem:bad-input",
    "title": "Bad input",
    "status": 422,
    "detail": "batch 4096 exceeds the 1437 training images of digits; lower it to 1437 or less",
    "errors": {"batch": ["batch 4096 exceeds the 1437 training images of digits; lower it to 1437 or less"]},
}


class Problem(BaseModel):
    """What every refusal says (RFC 9457). `detail` is for people; `errors` has the sentences of bad input under the
    names of the fields."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    type: str
    title: str
    status: int
    detail: str
    errors: dict[str, list[str]] = {}


MEDIA_TYPE = "application/problem+json"


def problem_answer(status: int) -> dict[str, Any]:
    """How the description of the interface tells of a refusal."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": f"{_TITLES[status]}.", "content": content}


def may_answer(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the refusals that are its own, beside those of every route (see openapi.py)."""
    return {status: problem_answer(status) for status in statuses}


def described_file(media_type: str, description: str, *, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: what it answers with is a file, text where the media type says so."""
    schema = {"type": "string", **({} if media_type.startswith("text/") else {"format": "binary"})}
    return {status: {"description": description, "content": {media_type: {"schema": schema}}}}


#: Of every route; named here so that FastAPI does not describe its own kind of refusal.
RESPONSES = may_answer(422)


def problem(
    status: int,
    detail: str,
    *,
    errors: Mapping[str, list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    body = {
        "type": f"urn:resdrop:problem:{_TYPES.get(status, 'error')}",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        **({"errors": dict(errors)} if errors else {}),
        **more,
    }
    # Escaped, for what a client sent may hold half of a surrogate pair, which UTF-8 cannot carry.
    return Response(json.dumps(body), status, headers=headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    app.add_exception_handler(NotFound, _not_found)
    app.add_exception_handler(Conflict, _conflict)
    app.add_exception_handler(BadInput, _bad_input)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http)
    for away in (DatabaseError, InterfaceError, PoolTimeout):
        app.add_exception_handler(away, _database_away)
    app.add_exception_handler(Exception, _unexpected)


def _not_found(_request: Request, error: Exception) -> Response:
    return problem(404, str(error))


def _conflict(_request: Request, error: Exception) -> Response:
    return problem(409, str(error))


def _bad_input(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BadInput)
    return problem(422, str(error), errors=error.errors)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    page = page_for(request, error)
    if page is not None:
        return page
    return problem(error.status_code, str(error.detail), headers=error.headers)


def _database_away(request: Request, error: Exception) -> Response:
    known = explained(error, request.app.state.parts.settings)
    if known is None and not isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        return _unexpected(request, error)
    log.warning("%s %s: the database is away: %s", request.method, request.url.path, error)
    if known is None:
        detail = "The database does not answer at the moment; nothing was changed. Try again in a few seconds."
        return problem(503, detail, headers={"Retry-After": "2"})
    status, wait = (507, "30") if is_disk_full(error) else (503, "30")
    return problem(status, f"{known[:1].upper()}{known[1:]}. Nothing was changed.", headers={"Retry-After": wait})


def _unexpected(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "This should not have happened; the log of the API has the details.")


def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    items = error.errors()
    for item in items:
        if item["type"] == "json_invalid":
            return problem(400, f"The body is not JSON: it cannot be read from character {item['loc'][-1]} on.")
    if any(isinstance(item.get("input"), bytes) for item in items):
        given = request.headers.get("content-type", "no type")
        return problem(415, f"The body came as {given}; send JSON with Content-Type: application/json.")
    errors = refusals(items)
    return problem(422, "; ".join(text for texts in errors.values() for text in texts), errors=errors)


def refusals(items: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Pydantic's errors of a request, under the names that a client knows: no place, and no index but an arm's."""
    named = []
    for item in items:
        loc = [str(part) for before, part in pairwise(("", *item["loc"])) if isinstance(part, str) or before == "arms"]
        unknown = item["type"] == "extra_forbidden" and "config" not in loc[:-1]
        while len(loc) > 1 and loc[0] in _PLACES:
            loc = loc[1:]
        told = f"there is no field {loc[-1]!r} here; GET /api/v1/openapi.json has those there are"
        message = told if unknown else item["msg"]
        told_as = {"loc": tuple(loc), "msg": message, "type": "setting" if unknown else item["type"]}
        named.append({**item, **told_as})
    return sentences_by_field(named)
