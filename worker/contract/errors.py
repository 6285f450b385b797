"""How a refused configuration is told: by field, with the value, the limit and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError


def field_errors(error: ValidationError) -> dict[str, list[str]]:
    """Every complaint under the name of its field ("" where it concerns the whole), ready to show to a person."""
    return sentences_by_field(error.errors(include_url=False))


def sentences_by_field(items: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The same of pydantic's own list of errors, where that is what one has."""
    found: dict[str, list[str]] = {}
    for item in items:
        context = item.get("ctx") or {}
        for field, sentence in context.get("complaints", ()):
            found.setdefault(field, []).append(sentence)
        if "complaints" in context:
            continue
        named = context.get("field")
        field = str(named) if named else ".".join(str(part) for part in item["loc"])
        found.setdefault(field, []).append(_sentence(field, item["msg"], item["type"], item.get("input")))
    return found


def _sentence(field: str, message: str, kind: str, value: object) -> str:
    if kind == "setting":
        return message
    if kind == "extra_forbidden":
        return f"there is no setting {field!r}; see GET /api/v1/schema or --help for those there are"
    if kind == "missing":
        return f"{field} is required"
    return f"{field} {_shown(value)}: {message[:1].lower()}{message[1:]}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
