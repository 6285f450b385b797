"""The description of the interface, complete enough that a client which is generated from it drops nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from backend.problems import Problem, problem_answer

Json = dict[str, Any]

_TAGS = {
    "runs": "Launching, listing, editing and commanding runs, and what belongs to one.",
    "metrics": "Curves.",
    "comparisons": "Runs that are alike in everything but one factor, and any runs beside each other.",
    "datasets": "What can be trained on: kinds that are built in, and folders that were given a name.",
    "workers": "The machines that train.",
    "reference": "Settings, presets, and whether every part of the service is there.",
    "live": "What changes, as it changes.",
}
_SUCCESS = {
    "200": "Done.",
    "201": "Created.",
    "202": "Accepted: it happens soon after.",
    "204": "Done; nothing to tell.",
}
#: What any operation may answer; 422 for parameters that it does not take.
_ALWAYS = (401, 403, 422, 500, 503)
_WITH_BODY = (400, 413, 415)
_WITHOUT_DATABASE = {"get_health", "get_schema", "list_presets"}
_HEADERS = {
    "401": {"WWW-Authenticate": "How to show the token: Bearer."},
    "503": {"Retry-After": "Seconds after which to try again."},
}
_MAKING = {"launch_run": "201", "clone_run": "202", "create_comparison": "201", "register_dataset": "201"}
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_LARGEST_INTEGER = 2**63 - 1


class DescribedApp(FastAPI):
    """`token_cookie` is the name of the cookie that stands for the token in a browser."""

    def __init__(self, *, token_cookie: str, **settings: Any) -> None:
        self._token_cookie = token_cookie
        super().__init__(**settings)

    def openapi(self) -> Json:
        if not self.openapi_schema:
            document = super().openapi()
            _complete(document, token_cookie=self._token_cookie)
            self.openapi_schema = document
        return self.openapi_schema


def _complete(document: Json, *, token_cookie: str) -> None:
    document["info"]["license"] = {"name": "MIT", "identifier": "MIT"}
    document["tags"] = [{"name": name, "description": text} for name, text in _TAGS.items()]
    schemas = document["components"]["schemas"]
    schemas["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = _security_schemes(token_cookie)
    # None of them where the service asks for no token.
    document["security"] = [{"bearer": []}, {"cookie": []}, {}]
    for operation in _operations(document):
        _complete_answers(operation)
    _make_integers_whole(document)


def _security_schemes(token_cookie: str) -> Json:
    bearer = "The token of the service, as `Authorization: Bearer TOKEN`."
    cookie = "What a browser is given for the token when that is entered at `/login`."
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": bearer},
        "cookie": {"type": "apiKey", "in": "cookie", "name": token_cookie, "description": cookie},
    }


def _operations(document: Json) -> Iterator[Json]:
    for item in document["paths"].values():
        yield from item.values()


def _complete_answers(operation: Json) -> None:
    answers = operation["responses"]
    for status, answer in answers.items():
        if answer.get("description") in ("Successful Response", ""):
            answer["description"] = _SUCCESS[status]
    possible = _ALWAYS + (_WITH_BODY if "requestBody" in operation else ())
    for status in possible:
        if status != 503 or operation["operationId"] not in _WITHOUT_DATABASE:
            answers[str(status)] = problem_answer(status)
    for status, headers in _HEADERS.items():
        if status in answers:
            answers[status]["headers"] = _described(headers)
    made = _MAKING.get(operation["operationId"])
    if made is not None:
        answers[made]["headers"] = _described({"Location": "The address of what was made."})
    operation["responses"] = dict(sorted(answers.items()))


def _described(headers: dict[str, str]) -> Json:
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()}


def _make_integers_whole(part: Any) -> None:
    """FastAPI reads every bound into a float, of which some languages make a float in turn."""
    if isinstance(part, list):
        for one in part:
            _make_integers_whole(one)
    if not isinstance(part, dict):
        return
    if part.get("type") == "integer":
        for name in _BOUNDS:
            if isinstance(part.get(name), float):
                # The float next to the largest integer of 64 bits is one more than it.
                part[name] = min(int(part[name]), _LARGEST_INTEGER)
    for one in part.values():
        _make_integers_whole(one)
