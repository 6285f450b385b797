"""What comparison.json says a comparison was begun with, and in what another one differs from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from worker.contract.arms import USUAL_ARMS, ArmSpec
from worker.contract.plan import Plan
from worker.engine.compare.design import Design
from worker.engine.compare.placement import Mode
from worker.engine.differences import differing_settings


class Record(BaseModel):
    """One of the first version has neither arms nor plan: they were the usual ones."""

    model_config = ConfigDict(frozen=True)

    mode: Mode
    gpu_split: bool
    seeds: tuple[int, ...]
    planned: tuple[int, ...] | None = None
    arms: tuple[ArmSpec, ...] = USUAL_ARMS
    plan: Plan = Plan()
    #: As JSON values: a setting may have come or gone since.
    config: dict[str, Any]

    @property
    def settled_seeds(self) -> tuple[int, ...]:
        return self.seeds if self.planned is None else self.planned


def differences(record: Record, design: Design) -> list[str]:
    """As "lr was 0.1 and is 0.2", of everything in which `design` is another comparison; further seeds may join."""
    found = [f"{name} was {before} and is {now}" for name, before, now in _values(record, design) if before != now]
    missing = [str(seed) for seed in record.seeds if seed not in design.seeds]
    if missing:
        found.append(f"seeds {', '.join(missing)} are missing")
    found += _of_arms(record.arms, design.arms)
    return found + differing_settings(record.config, design.common_config())


def _values(record: Record, design: Design) -> Iterator[tuple[str, object, object]]:
    yield "mode", record.mode, design.mode
    yield "gpu_split", record.gpu_split, design.gpu_split
    before, now = _told(record.plan), _told(design.plan)
    for name in before:
        # Only a sequential plan has it.
        if name != "max_seeds" or before["stopping"] == now["stopping"]:
            yield name, before[name], now[name]


def _told(plan: Plan) -> dict[str, object]:
    """Its fields, with the number of seeds that it takes by default."""
    fields = plan.model_dump(mode="json") | {"max_seeds": plan.most_seeds}
    return {name: "not set" if value is None else value for name, value in fields.items()}


def _of_arms(before: Sequence[ArmSpec], now: Sequence[ArmSpec]) -> list[str]:
    names = [", ".join(repr(arm.name) for arm in arms) for arms in (before, now)]
    if names[0] != names[1]:
        return [f"the arms were {names[0]} and are {names[1]}"]
    return [
        f"arm {earlier.name!r} was {_changes(earlier)} and is {_changes(later)}"
        for earlier, later in zip(before, now, strict=True)
        if earlier.settings != later.settings
    ]


def _changes(arm: ArmSpec) -> str:
    changes = (f"{name}={'none' if value is None else value}" for name, value in arm.settings.items())
    return ", ".join(changes) or "as the others are"
