"""What a comparison sets out to do: which arms it has, what each of them trains, and whether it takes another seed.

The service and the engine alone read it here.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from worker.contract.arms import USUAL_ARMS, ArmSpec
from worker.contract.config import RunConfig
from worker.contract.errors import field_errors
from worker.contract.fitting import trained_settings
from worker.contract.plan import Plan
from worker.contract.seeds import LARGEST_SEED
from worker.contract.templates import TEMPLATES


class DesignRefused(ValueError):
    """Arms that cannot be trained or compared; `errors` has the sentences by field."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("; ".join(text for texts in errors.values() for text in texts))
        self.errors = errors


def check_design(
    *, arms: Sequence[ArmSpec] | None, template: str | None, seeds: Sequence[int], plan: Plan
) -> Sequence[ArmSpec]:
    """The arms that are meant. For a model's validator: raises PydanticCustomError with the field that is at fault."""
    most = plan.most_seeds
    if most is not None and len(seeds) > most:
        raise _refusal("seeds", f"{len(seeds)} seeds exceed the plan's max_seeds of {most}; name fewer")
    if template is None:
        return USUAL_ARMS if arms is None else arms
    if arms is not None:
        raise _refusal("template", "template names arms, and arms are given too; leave one of them out")
    found = next((one.arms for one in TEMPLATES if one.name == template), None)
    if found is None:
        known = ", ".join(one.name for one in TEMPLATES)
        raise _refusal("template", f"unknown template {template[:40]!r}; choose from {known}")
    return found


def arm_configs(arms: Sequence[ArmSpec], base: RunConfig, *, seed: int) -> list[RunConfig]:
    """What each arm trains of the seed. Raises DesignRefused where one does not fit together, or two train the same."""
    configs = [_arm_config(arm, index, base, seed=seed) for index, arm in enumerate(arms)]
    trained = [trained_settings(config) for config in configs]
    for index, settings in enumerate(trained):
        first = trained.index(settings)
        if first < index:
            # They would show nothing but how often a test errs.
            twins = f"arms {arms[first].name!r} and {arms[index].name!r} train the same"
            idle = (
                "" if configs[first] == configs[index] else ": what they change does nothing while sd is off or pL is 1"
            )
            raise DesignRefused({f"arms.{index}": [f"{twins}{idle}; change one of them"]})
    return configs


def next_seed(seeds: Sequence[int]) -> int | None:
    """None after the largest that there is."""
    found = max(seeds, default=-1) + 1
    return found if found <= LARGEST_SEED else None


def reason_to_end(plan: Plan, seeds: Sequence[int], *, is_decided: bool) -> str | None:
    """Why a sequential plan takes no more seeds than these; None where it takes another."""
    if is_decided:
        return "The plan is decided."
    most = plan.most_seeds
    if most is not None and len(seeds) >= most:
        return f"All {most} seeds of the plan have ended."
    return None if next_seed(seeds) is not None else "There is no greater seed."


def _arm_config(arm: ArmSpec, index: int, base: RunConfig, *, seed: int) -> RunConfig:
    try:
        return arm.config(base, seed=seed)
    except ValidationError as error:
        found = {
            f"arms.{index}.settings.{field}" if field else f"arms.{index}": [
                f"arm {arm.name!r}: {text}" for text in texts
            ]
            for field, texts in field_errors(error).items()
        }
        raise DesignRefused(found) from error


def _refusal(field: str, sentence: str) -> PydanticCustomError:
    return PydanticCustomError("setting", "{sentence}", {"sentence": sentence, "field": field})
