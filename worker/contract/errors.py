"""How refused input is told: by field, with the value, the limit and the remedy.

This is the one place where pydantic's errors become sentences. Its own texts speak of Python's types and reach nobody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core.core_schema import ErrorType

from worker.contract.config import RunConfig
from worker.contract.plan import Plan

#: A place in a list of a request, and what of it is meant.
_PLACE = re.compile(r"(?P<list>arm|tag|seed)s\.(?P<at>\d+)(?:\.(?P<rest>.+))?")

Context = Mapping[str, Any]

_LONGEST_VALUE = 60
_OF_PYDANTIC = frozenset(get_args(ErrorType))
#: Of a bound in a field's metadata, in the order in which they are said.
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


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
        field = _field(item["loc"], context.get("field"))
        found.setdefault(field, []).append(_sentence(field, item))
    return found


def _field(loc: Sequence[object], named: object) -> str:
    """A plan that does not fit together says which of its fields it is about."""
    if not named:
        return ".".join(str(part) for part in loc)
    return f"plan.{named}" if loc[:1] == ("plan",) else str(named)


def _sentence(field: str, item: Mapping[str, Any]) -> str:
    kind, message, value, context = item["type"], item["msg"], item.get("input"), item.get("ctx") or {}
    if kind == "setting":
        return str(message)
    if kind == "extra_forbidden":
        return f"there is no setting {field!r}; see GET /api/v1/schema or --help for those there are"
    subject = _subject(field) or "this"
    if kind == "missing":
        return f"{subject} is required; give it"
    if kind in _COUNTED:
        return f"{subject} {_COUNTED[kind](value, context)}"
    if kind in _SAID:
        return f"{subject} {_shown(value)} {_SAID[kind](field, context)}"
    if kind in ("value_error", "assertion_error"):
        message = str(context["error"])
    elif kind in _OF_PYDANTIC:
        return f"{subject} {_shown(value)} is not accepted; see GET /api/v1/openapi.json or --help for what is"
    return f"{subject} {_shown(value)}: {message[:1].lower()}{message[1:]}"


def _subject(field: str) -> str:
    """As a person counts: arms.1.name is the name of arm 2, plan.margin the margin."""
    place = _PLACE.fullmatch(field)
    if place is None:
        return field.removeprefix("plan.")
    rest = f" {place['rest'].replace('.', ' ')}" if place["rest"] else ""
    return f"{place['list']} {int(place['at']) + 1}{rest}"


def _whole(field: str, _: Context) -> str:
    return f"is not a whole number; give one {_bounds_of(field) or 'such as 3'}"


def _number(field: str, _: Context) -> str:
    return f"is not a number; give one {_bounds_of(field) or 'such as 0.1'}"


def _finite(field: str, _: Context) -> str:
    return f"is not a finite number; give one {_bounds_of(field) or 'such as 0.1'}"


def _flag(_: str, __: Context) -> str:
    return "is neither yes nor no; give true or false"


def _one_of(_: str, context: Context) -> str:
    return f"is not one of those there are; take {context['expected']}"


def _json(kind: str) -> Callable[[str, Context], str]:
    return lambda _, __: f"is not {kind}"


_LIST = "a list; send one, in brackets as JSON has it"
_OBJECT = "an object; send one with its fields by name, in braces as JSON has it"
_TEXT = "a text; send one, in quotes as JSON has it"

#: What is said of a refused value, after the field's name and the value.
_SAID: dict[str, Callable[[str, Context], str]] = {
    "greater_than_equal": lambda _, given: f"is below {_plain(given['ge'])}; give {_plain(given['ge'])} or more",
    "greater_than": lambda _, given: f"is not above {_plain(given['gt'])}; give more than {_plain(given['gt'])}",
    "less_than_equal": lambda _, given: f"exceeds {_plain(given['le'])}; give {_plain(given['le'])} or less",
    "less_than": lambda _, given: f"is not below {_plain(given['lt'])}; give less than {_plain(given['lt'])}",
    "multiple_of": lambda _, given: f"is no multiple of {_plain(given['multiple_of'])}; give one",
    "finite_number": _finite,
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _whole),
    "int_parsing_size": lambda field, _: f"is too large a number; give one {_bounds_of(field) or 'such as 3'}",
    **dict.fromkeys(("float_type", "float_parsing"), _number),
    **dict.fromkeys(("bool_type", "bool_parsing"), _flag),
    **dict.fromkeys(("enum", "literal_error"), _one_of),
    "string_type": _json(_TEXT),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "iterable_type"), _json(_LIST)),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), _json(_OBJECT)),
    "string_unicode": lambda _, __: "has half of a surrogate pair, which is no Unicode text; leave it out",
    "string_pattern_mismatch": lambda _, given: f"does not have the form {given['pattern']}; change it to that",
}

#: The same where the length is what matters, and the value would be long.
_COUNTED: dict[str, Callable[[Any, Context], str]] = {
    "too_long": lambda _, given: f"has {_entries(given['actual_length'])}; give at most {given['max_length']}",
    "too_short": lambda _, given: f"has {_entries(given['actual_length'])}; give at least {given['min_length']}",
    "string_too_long": lambda value, given: f"has {_length(value)} characters; give at most {given['max_length']}",
    "string_too_short": lambda _, given: f"is empty; give at least {given['min_length']} character",
}


def _entries(count: int) -> str:
    return f"{count} entr{'y' if count == 1 else 'ies'}"


def _length(text: str) -> int:
    """As it is measured, after spaces around it were taken off."""
    return len(text.strip())


def _bounds_of(setting: str) -> str:
    """What a setting may be, "" for a field that is no setting or has no bounds."""
    field = RunConfig.model_fields.get(setting) or Plan.model_fields.get(setting.rpartition(".")[2])
    parts = field.metadata if field else []
    told = {name: getattr(part, name) for part in parts for name in _BOUNDS if hasattr(part, name)}
    if {"ge", "le"} <= told.keys():
        return f"from {_plain(told['ge'])} to {_plain(told['le'])}"
    return " and ".join(f"{word} {_plain(told[name])}" for name, word in _BOUNDS.items() if name in told)


def _plain(number: object) -> str:
    """65536 and 0.1, but 1 for 1.0."""
    return f"{number:g}" if isinstance(number, float) else str(number)


def _shown(value: object) -> str:
    """As JSON has it, but text in single quotes with what cannot be printed escaped."""
    text = repr(value) if isinstance(value, str | bytes) else json.dumps(value, default=repr)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."
