"""From the command line to a comparison's design; what is not named of it is that of the folder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from worker.contract.arms import Arms, ArmSpec, is_usual
from worker.contract.config import RunConfig
from worker.contract.design import DesignRefused, check_design
from worker.contract.design_options import asked_arms, asked_plan, set_by_itself
from worker.contract.plan import Plan, Stopping
from worker.engine.compare.design import Design
from worker.engine.compare.record import Record


class _Asked(BaseModel):
    """The same fields, under the same names in a refusal, as in a request to the service."""

    model_config = ConfigDict(frozen=True)

    arms: Arms | None
    template: str | None
    seeds: list[int]
    plan: Plan

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        check_design(arms=self.arms, template=self.template, seeds=self.seeds, plan=self.plan)
        return self

    @property
    def chosen_arms(self) -> tuple[ArmSpec, ...]:
        return tuple(check_design(arms=self.arms, template=self.template, seeds=self.seeds, plan=self.plan))


def asked_design(arguments: argparse.Namespace, config: RunConfig, record: Record | None) -> Design:
    """`record` is the comparison that is to go on. Raises ValidationError and DesignRefused."""
    arms, plan = _named_arms(arguments, record), _named_plan(arguments, record)
    # Of arms of one's own stochastic depth may be what they share.
    if arms is None and (refusal := set_by_itself(arguments, ["sd"])) is not None:
        raise DesignRefused({"": [refusal]})
    asked = _Asked.model_validate(
        {
            "arms": arms,
            "template": arguments.template,
            "seeds": _all_seeds(_named_seeds(arguments, config, record), plan, record),
            "plan": plan,
        }
    )
    return Design(
        mode=arguments.mode,
        gpu_split=arguments.gpu_split,
        seeds=tuple(asked.seeds),
        config=config,
        arms=asked.chosen_arms,
        plan=asked.plan,
        planned=record.settled_seeds if record is not None else tuple(asked.seeds),
    )


def _named_arms(arguments: argparse.Namespace, record: Record | None) -> list[dict[str, Any]] | None:
    """None for those of a template, and for the usual ones."""
    named = asked_arms(arguments)
    if named is not None or arguments.template is not None or record is None or is_usual(record.arms):
        return named
    return [arm.model_dump(mode="json") for arm in record.arms]


def _named_plan(arguments: argparse.Namespace, record: Record | None) -> dict[str, Any]:
    named = asked_plan(arguments)
    return named if named or record is None else record.plan.model_dump(mode="json")


def _named_seeds(arguments: argparse.Namespace, config: RunConfig, record: Record | None) -> Sequence[int]:
    if arguments.seeds is not None:
        return list(arguments.seeds)
    return [config.seed] if record is None or "seed" in arguments else record.seeds


def _all_seeds(named: Sequence[int], plan: dict[str, Any], record: Record | None) -> list[int]:
    """A sequential plan goes on with all seeds that it took, in their order."""
    if record is None or plan.get("stopping") != Stopping.SEQUENTIAL:
        return list(named)
    return [*record.seeds, *(seed for seed in named if seed not in record.seeds)]
