"""The part of a report that says what was compared: settings and machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from backend.compare.report_markup import Markup, element
from backend.compare.report_words import ARM_TITLES, setting
from backend.db.tables import Run
from worker.contract.config import RunConfig


def settings_section(runs: Sequence[Run]) -> list[Markup]:
    """What differs between the runs, and what is the same in all of them."""
    configs = [_resolved(run.config) for run in runs]
    names = [name for name in RunConfig.model_fields if any(name in config for config in configs)]
    common = [name for name in names if all(config.get(name) == configs[0].get(name) for config in configs)]
    differing = [name for name in names if name not in common]
    return [
        element("h2", "What was compared"),
        element("h3", "What differs"),
        facts((_label(name), _by_arm(name, runs)) for name in differing),
        element("h3", "What is the same"),
        facts((_label(name), setting(configs[0].get(name), _unit(name))) for name in common),
    ]


def _resolved(stored: dict[str, Any]) -> dict[str, Any]:
    """With what the defaults of dataset and recipe come to, where this version still understands the configuration."""
    try:
        config = RunConfig.model_validate(stored)
    except ValidationError:
        return stored
    return stored | {"lr": config.peak_lr, "image_size": config.image_side, "flip": config.flips}


def machine_section(runs: Sequence[Run]) -> list[Markup]:
    """Nothing before the first run has told of its machine."""
    told: dict[str, dict[str, None]] = {}
    for run in runs:
        single = {name: run.facts.get(name) for name in ("device", "threads", "parameters", "blocks")}
        for name, value in {**single, **(run.facts.get("versions") or {})}.items():
            if value is not None:
                told.setdefault(name, {})[f"{value:,}" if isinstance(value, int) else str(value)] = None
    rows = [(name, ", ".join(values)) for name, values in told.items()]
    return [element("h2", "Network and machine"), facts(rows)] if rows else []


def facts(rows: Iterable[tuple[str, str]]) -> Markup:
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", value)) for name, value in rows),
        class_="facts",
    )


def _by_arm(name: str, runs: Sequence[Run]) -> str:
    """The values of each arm, or of all where the arms do not differ in them, as in their seeds."""
    values: dict[str, dict[str, None]] = {}
    for run in runs:
        values.setdefault(run.arm or "", {})[setting(run.config.get(name), _unit(name))] = None
    told = {arm: ", ".join(found) for arm, found in values.items()}
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    return "; ".join(f"{ARM_TITLES.get(arm, arm).lower()}: {text}" for arm, text in told.items())


def _label(name: str) -> str:
    return str(_extra(name).get("label", name))


def _unit(name: str) -> str:
    return str(_extra(name).get("unit", ""))


def _extra(name: str) -> dict[str, Any]:
    extra = RunConfig.model_fields[name].json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}
