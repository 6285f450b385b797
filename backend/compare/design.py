"""What a comparison set out to do, as it is asked for, stored and read back."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from backend.db.tables import Comparison
from backend.errors import BadInput
from backend.runs.inputs import Body, Name, Notes, Seeds, Tags
from worker.contract.arms import USUAL_ARMS, Arms, ArmSpec
from worker.contract.config import RunConfig
from worker.contract.design import DesignRefused, arm_configs, check_design
from worker.contract.plan import Plan, Stopping
from worker.contract.templates import TEMPLATES


class Mode(StrEnum):
    """Sequential: each run waits until the one before is final. Parallel: all at once, as devices are free."""

    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"


class NewComparison(Body):
    """`arms` are 2 to 8 sets of changes to `config`, the first being the reference; `template` names some instead. Left
    out, they are a baseline and its twin with stochastic depth. `seed` of the configuration is passed over: the
    comparison sets it, as the arms set `sd`.

    Of a sequential plan `seeds` are the first ones; more are launched one after another, counting up from the largest,
    until the plan is decided or has its `max_seeds`. `tags` and `notes` are each run's.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "digits", "config": {"dataset": "digits", "epochs": 5}, "seeds": [0, 1], "mode": "sequential"},
                {
                    "config": {"dataset": "digits", "epochs": 5},
                    "arms": [
                        {"name": "baseline", "settings": {"sd": False}},
                        {"name": "pL 0.8", "settings": {"sd": True, "pL": 0.8}},
                    ],
                    "seeds": "0-4",
                    "mode": "parallel",
                    "plan": {"question": "non_inferiority", "margin": 0.3},
                },
            ]
        }
    )

    name: Name | None = None
    tags: Tags = Field(default=[])
    notes: Notes = ""
    config: RunConfig
    arms: Arms | None = None
    template: str | None = Field(default=None, json_schema_extra={"enum": [one.name for one in TEMPLATES]})
    seeds: Seeds = Field(default=[0])
    mode: Mode = Mode.SEQUENTIAL
    plan: Plan = Plan()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        check_design(arms=self.arms, template=self.template, seeds=self.seeds, plan=self.plan)
        return self

    @property
    def chosen_arms(self) -> Sequence[ArmSpec]:
        return check_design(arms=self.arms, template=self.template, seeds=self.seeds, plan=self.plan)

    @property
    def is_watched(self) -> bool:
        return self.plan.stopping is Stopping.SEQUENTIAL


def trained_configs(arms: Sequence[ArmSpec], base: RunConfig, *, seed: int) -> list[RunConfig]:
    """Of each arm. Raises BadInput that names the arm where its settings do not fit together."""
    try:
        return arm_configs(arms, base, seed=seed)
    except DesignRefused as refusal:
        raise BadInput(refusal.errors) from refusal


def arms_of(comparison: Comparison) -> tuple[ArmSpec, ...]:
    if comparison.arms is None:
        return USUAL_ARMS
    return tuple(ArmSpec.model_validate(arm) for arm in comparison.arms)


def plan_of(comparison: Comparison) -> Plan:
    return Plan() if comparison.plan is None else Plan.model_validate(comparison.plan)
