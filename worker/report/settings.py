"""What was compared: settings by their label, with their unit, and with what a default comes to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from worker.contract.config import RunConfig
from worker.report.markup import Markup, element
from worker.report.page import ARM_TITLES, facts


@dataclass(frozen=True)
class Compared:
    """The configuration of one run, as JSON values."""

    arm: str
    config: dict[str, Any]


def settings_section(runs: Sequence[Compared]) -> list[Markup]:
    """What differs between the runs, and what is the same in all of them."""
    whole = [Compared(run.arm, _resolved(run.config)) for run in runs]
    names = [name for name in RunConfig.model_fields if any(name in run.config for run in whole)]
    common = [name for name in names if all(run.config.get(name) == whole[0].config.get(name) for run in whole)]
    return [
        element("h2", "What was compared"),
        element("h3", "What differs"),
        facts((_label(name), _by_arm(name, whole)) for name in names if name not in common),
        element("h3", "What is the same"),
        facts((_label(name), _shown(name, whole[0].config.get(name))) for name in common),
    ]


def _resolved(stored: dict[str, Any]) -> dict[str, Any]:
    """With what the defaults of dataset and recipe come to, where this version still understands the configuration."""
    try:
        config = RunConfig.model_validate(stored)
    except ValidationError:
        return stored
    return stored | {"lr": config.peak_lr, "image_size": config.image_side, "flip": config.flips}


def _by_arm(name: str, runs: Iterable[Compared]) -> str:
    """The values of each arm, or of all where the arms do not differ in them, as in their seeds."""
    values: dict[str, dict[str, None]] = {}
    for run in runs:
        values.setdefault(run.arm, {})[_shown(name, run.config.get(name))] = None
    told = {arm: ", ".join(found) for arm, found in values.items()}
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    return "; ".join(f"{ARM_TITLES[arm].lower() if arm in ARM_TITLES else arm}: {text}" for arm, text in told.items())


def _shown(name: str, value: object) -> str:
    """A value with its unit, which is in the plural."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text, unit = f"{value:g}" if isinstance(value, float) else str(value), str(_extra(name).get("unit", ""))
    return f"{text} {unit.removesuffix('s') if text == '1' else unit}".strip()


def _label(name: str) -> str:
    return str(_extra(name).get("label", name))


def _extra(name: str) -> dict[str, Any]:
    extra = RunConfig.model_fields[name].json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}
