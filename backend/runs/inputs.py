"""What a client may say of a run beside its configuration, and the bounds of it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from worker.contract.config import RunConfig
from worker.contract.seeds import LARGEST_SEED, MOST_SEEDS, PATTERN, SeedsRefused, seeds_of

MAX_NAME = 200
MAX_TAGS = 20
MAX_TAG = 40
MAX_NOTES = 20_000


def _is_text(value: str) -> str:
    """Postgres takes no NUL in a text, and a name with a line break breaks every list."""
    return _without(value, allowed="")


def _is_prose(value: str) -> str:
    return _without(value, allowed="\n\r\t")


def _without(value: str, *, allowed: str) -> str:
    found = next((sign for sign in value if (ord(sign) < 32 or ord(sign) == 127) and sign not in allowed), None)
    if found is not None:
        raise PydanticCustomError(
            "control_character", "The control character {sign} is not allowed; leave it out", {"sign": repr(found)}
        )
    return value


def _distinct(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


def _as_seeds(value: object) -> list[int]:
    try:
        return seeds_of(value)
    except SeedsRefused as refusal:
        raise PydanticCustomError("setting", "{text}", {"text": str(refusal), "field": "seeds"}) from refusal


Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_NAME), AfterValidator(_is_text)]
GivenName = Annotated[Name, StringConstraints(min_length=1)]
Tag = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TAG), AfterValidator(_is_text)
]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(_distinct)]
Notes = Annotated[str, StringConstraints(max_length=MAX_NOTES), AfterValidator(_is_prose)]

_Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
_SeedText = Annotated[str, Field(pattern=PATTERN, examples=["0-4", "0, 2, 5-7"])]
#: As a client may send them: a list, or a text that names ranges too.
_SentSeeds = Annotated[list[_Seed | _SeedText], Field(min_length=1, max_length=MOST_SEEDS)] | _SeedText
Seeds = Annotated[list[int], BeforeValidator(_as_seeds, json_schema_input_type=_SentSeeds)]


class Body(BaseModel):
    """Base of what clients send: a name that is not known is refused, not passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NewRun(Body):
    name: Name | None = None
    tags: Tags = []
    notes: Notes = ""
    config: RunConfig


class RunEdit(Body):
    """Only what is given is changed."""

    name: GivenName | None = None
    tags: Tags | None = None
    notes: Notes | None = None

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class Draft(Body):
    """What is about to be launched, as a run or as a comparison; only the configuration has to be there."""

    name: Name | None = None
    tags: Tags = []
    notes: Notes = ""
    seeds: Seeds = Field(default=[0])
    config: RunConfig
