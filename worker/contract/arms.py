"""The arms of a comparison: sets of changes to one configuration, the first of which is the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints
from pydantic_core import PydanticCustomError

from worker.contract.config import RunConfig
from worker.contract.text import LINE_PATTERN, is_invisible, text_fault

BASELINE, SD = "baseline", "sd"
FEWEST_ARMS, MOST_ARMS = 2, 8
LONGEST_ARM_NAME = 64
#: How sentences call the arms that everybody has; others are called by their names.
ARM_TITLES = {BASELINE: "the baseline", SD: "stochastic depth"}
#: The comparison sets it, for all arms of a seed alike.
_NOT_OF_AN_ARM = "seed"


def _checked_name(value: str) -> str:
    fault = text_fault(value)
    if fault is None and is_invisible(value):
        fault = "none of its characters can be seen; add one that can"
    if fault is not None:
        raise PydanticCustomError("text", "{fault}", {"fault": fault})
    return value


def _checked_settings(value: dict[str, Any]) -> dict[str, Any]:
    for name in value:
        if name == _NOT_OF_AN_ARM:
            raise _refusal("seed is set by the comparison, for all arms alike; name the seeds in its seeds")
        if name not in RunConfig.model_fields:
            raise _refusal(f"{name[:40]!r} is no setting; take those of a run's configuration")
    return value


class ArmSpec(BaseModel):
    """What is changed in the comparison's configuration for one arm; nothing for the configuration as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_ARM_NAME),
        AfterValidator(_checked_name),
        Field(json_schema_extra={"pattern": LINE_PATTERN}),
    ]
    settings: Annotated[dict[str, JsonValue], AfterValidator(_checked_settings)] = {}

    def config(self, base: RunConfig, *, seed: int) -> RunConfig:
        """`base` with the arm's changes and the seed. Raises ValidationError where they do not fit together."""
        return RunConfig.model_validate({**base.model_dump(mode="json"), **self.settings, "seed": seed})


def _distinct(arms: list[ArmSpec]) -> list[ArmSpec]:
    names = [arm.name for arm in arms]
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise _refusal(f"two arms are named {twice!r}; give each its own name")
    return arms


#: As a client may send them; the first is the reference.
Arms = Annotated[list[ArmSpec], Field(min_length=FEWEST_ARMS, max_length=MOST_ARMS), AfterValidator(_distinct)]

#: A comparison that names none: what it is all about.
USUAL_ARMS = (
    ArmSpec(name=BASELINE, settings={"sd": False}),
    ArmSpec(name=SD, settings={"sd": True}),
)


def is_usual(arms: Sequence[ArmSpec]) -> bool:
    return tuple(arms) == USUAL_ARMS


def _refusal(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("setting", "{sentence}", {"sentence": sentence})
