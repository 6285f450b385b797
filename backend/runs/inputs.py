"""What a client may say of a run beside its configuration, and the bounds of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from backend.errors import BadInput
from worker.contract.config import RunConfig
from worker.contract.errors import sentences_by_field
from worker.contract.seeds import LARGEST_SEED, MOST_SEEDS, PATTERN, SeedsRefused, seeds_of
from worker.contract.text import (
    LINE_BREAKS_AND_TABS,
    LINE_PATTERN,
    PROSE_PATTERN,
    folded,
    is_invisible,
    text_fault,
)

MAX_NAME = 200
MAX_TAGS = 20
MAX_TAG = 40
MAX_NOTES = 20_000
_TAG_PATTERN = LINE_PATTERN.replace("[^", "[^,")


def _is_line(value: str) -> str:
    return _checked(value, allowed="")


def _is_prose(value: str) -> str:
    return _checked(value, allowed=LINE_BREAKS_AND_TABS)


def _checked(value: str, *, allowed: str) -> str:
    """Refuses what a list cannot show as it is, and what it would show as nothing (see worker/contract/text.py)."""
    fault = text_fault(value, allowed=allowed)
    if fault is None and value.strip() and is_invisible(value):
        fault = "none of its characters can be seen; add one that can"
    if fault is not None:
        raise PydanticCustomError("text", "{fault}", {"fault": fault})
    return value


def _is_tag(value: str) -> str:
    """Tags are typed as a list that commas separate, in the form and elsewhere."""
    if "," in value:
        raise PydanticCustomError(
            "text", "A comma separates tags and cannot stand in one; send two tags or leave it out"
        )
    return _is_line(value)


def _as_seeds(value: object) -> list[int]:
    try:
        return seeds_of(value)
    except SeedsRefused as refusal:
        raise PydanticCustomError("setting", "{text}", {"text": str(refusal), "field": "seeds"}) from refusal


def distinct(tags: list[str], *, standing: Sequence[str] = ()) -> list[str]:
    """Of tags that are found by the same search the first stays, and each that is `standing` there already."""
    kept: dict[str, str] = {}
    for tag in tags:
        kept.setdefault(tag if tag in standing else folded(tag), tag)
    return list(kept.values())


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_NAME),
    AfterValidator(_is_line),
    Field(json_schema_extra={"pattern": LINE_PATTERN}),
]
GivenName = Annotated[Name, StringConstraints(min_length=1)]
_ShortText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TAG)]
Tag = Annotated[_ShortText, AfterValidator(_is_tag), Field(json_schema_extra={"pattern": _TAG_PATTERN})]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(distinct)]
Notes = Annotated[
    str,
    StringConstraints(max_length=MAX_NOTES),
    AfterValidator(_is_prose),
    Field(json_schema_extra={"pattern": PROSE_PATTERN}),
]

_Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
_SeedText = Annotated[str, Field(pattern=PATTERN, examples=["0-4", "0, 2, 5-7"])]
#: As a client may send them: a list, or a text that names ranges too.
_SentSeeds = Annotated[list[_Seed | _SeedText], Field(min_length=1, max_length=MOST_SEEDS)] | _SeedText
Seeds = Annotated[list[int], BeforeValidator(_as_seeds, json_schema_input_type=_SentSeeds)]


class Body(BaseModel):
    """Base of what clients send: a name that is not known is refused, not passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_SMALL_CONFIG: JsonDict = {"dataset": "digits", "depth": 20, "sd": True, "epochs": 5, "batch": 64, "seed": 0}


class NewRun(Body):
    """Without a name the run takes one from its configuration; settings that are left out take their defaults."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "first try", "tags": ["demo"], "notes": "", "config": _SMALL_CONFIG}]}
    )

    name: Name | None = None
    tags: Tags = []
    notes: Notes = ""
    config: RunConfig


class RunEdit(Body):
    """Only what is given is changed. What characters it may hold is checked where the run's present texts are known:
    those stay as they are even where they would be refused today."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "second try", "tags": ["demo", "kept"]}]})

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME)] | None = None
    tags: Annotated[list[_ShortText], Field(max_length=MAX_TAGS)] | None = None
    notes: Annotated[str, StringConstraints(max_length=MAX_NOTES)] | None = None

    def changes(self, standing: Mapping[str, Any]) -> dict[str, Any]:
        """What differs from what is `standing` there under these names. Raises BadInput for new text of a bad kind."""
        given = self.model_dump(exclude_none=True)
        if "tags" in given:
            given["tags"] = distinct(given["tags"], standing=standing["tags"])
        changed = {name: value for name, value in given.items() if value != standing[name]}
        fresh = dict(changed)
        if "tags" in fresh:
            fresh["tags"] = [tag for tag in fresh["tags"] if tag not in standing["tags"]]
        refused = [item for name, value in fresh.items() for item in _refusals(name, value)]
        if refused:
            raise BadInput(sentences_by_field(refused))
        return changed


_RULES: dict[str, TypeAdapter[Any]] = {
    "name": TypeAdapter(GivenName),
    "tags": TypeAdapter(list[Tag]),
    "notes": TypeAdapter(Notes),
}


def _refusals(name: str, value: Any) -> list[dict[str, Any]]:
    try:
        _RULES[name].validate_python(value)
    except ValidationError as error:
        return [{**item, "loc": (name,)} for item in error.errors(include_url=False)]
    return []


class Draft(Body):
    """What is about to be launched, as a run or as a comparison; only the configuration has to be there."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"config": _SMALL_CONFIG}]})

    name: Name | None = None
    tags: Tags = []
    notes: Notes = ""
    seeds: Seeds = Field(default=[0])
    config: RunConfig
