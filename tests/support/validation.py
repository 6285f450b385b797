"""What pydantic itself says of refused input, which is never to be shown to a user."""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic_core import PydanticKnownError
from pydantic_core.core_schema import ErrorType

#: Every kind of error that pydantic knows.
KINDS: tuple[str, ...] = get_args(ErrorType)
_SHORTEST = 10
_CONTEXT: dict[str, Any] = {
    **dict.fromkeys(("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length"), 3),
    **dict.fromkeys(("actual_length", "tz_expected", "tz_actual", "expected_version"), 4),
    **dict.fromkeys(("max_digits", "decimal_places", "whole_digits"), 5),
    **dict.fromkeys(("attribute", "method_name", "class_name", "class", "field_type", "encoding", "tag"), "thing"),
    **dict.fromkeys(("discriminator", "expected_tags", "expected_schemes", "encoding_error", "pattern"), "thing"),
    "expected": "'a' or 'b'",
}


def known_error(kind: str) -> PydanticKnownError:
    own = ValueError("take another") if kind in ("value_error", "assertion_error") else "thing"
    return PydanticKnownError(kind, {**_CONTEXT, "error": own})  # type: ignore[arg-type]


def as_item(kind: str, *, field: str, value: object) -> dict[str, Any]:
    """As it stands in the list of errors of a ValidationError."""
    error = known_error(kind)
    return {"type": kind, "loc": (field,), "msg": error.message(), "input": value, "ctx": error.context}


def _fragments() -> set[str]:
    parts = (part for kind in KINDS for part in re.split(r"\{\w+\}", known_error(kind).message_template))
    return {part.strip().lower() for part in parts if len(part.strip()) >= _SHORTEST}


FRAGMENTS = _fragments()


def assert_in_own_words(text: str) -> None:
    said = [fragment for fragment in FRAGMENTS if fragment in text.lower()]
    assert not said, f"{said} is pydantic's own, in {text!r}"
