"""Designs that people ask for: arms to begin from, in API, form and command line."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, JsonValue

from worker.contract.arms import USUAL_ARMS, ArmSpec


class Template(BaseModel):
    """`name` is what a request or a command says, `title` and `help` what a person reads."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    help: str
    arms: tuple[ArmSpec, ...]


def varied(setting: str, values: Sequence[JsonValue]) -> tuple[ArmSpec, ...]:
    """An arm for each value of one setting, the first being the reference."""
    return tuple(ArmSpec(name=f"{setting} {value}", settings={setting: value}) for value in values)


_RECIPE: dict[str, JsonValue] = {"sd": True, "mixup": 0.2, "label_smoothing": 0.1}


def _recipes(**changes: JsonValue) -> tuple[ArmSpec, ...]:
    """The same three recipes, with `changes` in each of them and at the beginning of their names."""
    before = "".join(f"{name} {value}, " for name, value in changes.items())
    plain: dict[str, JsonValue] = {"sd": False, "mixup": 0.0, "label_smoothing": 0.0}
    return (
        ArmSpec(name=f"{before}baseline", settings=changes | plain),
        ArmSpec(name=f"{before}+ SD", settings=changes | plain | {"sd": True}),
        ArmSpec(name=f"{before}+ SD + MixUp + label smoothing", settings=changes | _RECIPE),
    )


TEMPLATES = (
    Template(
        name="baseline-sd",
        title="Baseline and stochastic depth",
        help="The network without stochastic depth, and the same with it.",
        arms=USUAL_ARMS,
    ),
    Template(
        name="recipes",
        title="Baseline, + SD, + SD + MixUp + label smoothing",
        help="What each step of the recipe adds: MixUp 0.2 and label smoothing 0.1.",
        arms=_recipes(),
    ),
    Template(
        name="recipes-50-101",
        title="The recipes at depths 50 and 101",
        help="The same three at two depths. ResNet-50 without anything is the reference of all.",
        arms=(*_recipes(depth=50), *_recipes(depth=101)),
    ),
    Template(
        name="survival",
        title="A sweep of the last block's survival",
        help="The baseline, and stochastic depth with pL of 0.9, 0.8, 0.65 and 0.5.",
        arms=(USUAL_ARMS[0], *(ArmSpec(name=f"pL {p}", settings={"sd": True, "pL": p}) for p in (0.9, 0.8, 0.65, 0.5))),
    ),
    Template(
        name="sd-mode",
        title="Ways of dropping blocks",
        help="One gate for a mini-batch as in the paper; one for each image, computing all or only those kept.",
        arms=tuple(
            ArmSpec(name=f"sd_mode {mode}", settings={"sd": True, "sd_mode": mode})
            for mode in ("batch", "row", "subset")
        ),
    ),
)
