"""Launching a comparison, and further seeds of one that is watched."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from backend.compare.design import Mode, NewComparison, arm_config, arms_of
from backend.db.changes import note_change
from backend.db.tables import Comparison, Run
from backend.errors import BadInput
from backend.runs.configs import check_config
from backend.runs.creation import NewRow, insert_run, new_id, valid_config
from backend.runs.inputs import MAX_NAME
from worker.contract.arms import BASELINE, SD, ArmSpec, is_usual
from worker.contract.config import RunConfig
from worker.contract.fitting import trained_settings

_ARM_TITLES = {BASELINE: "baseline", SD: "stochastic depth"}
#: The one setting in which the usual arms differ, and what is said of any others.
_FACTOR, _SEVERAL = "sd", "arms"


def launch_comparison(session: Session, new: NewComparison) -> Comparison:
    """A run of each arm for each seed. Raises BadInput where images are not there or an arm does not fit together."""
    arms, configs = planned_arms(new)
    for config in configs:
        check_config(session, config)
    now = datetime.now(UTC)
    comparison = Comparison(
        id=new_id("c"),
        name=new.name or default_name(new.config),
        factor=_FACTOR if is_usual(arms) else _SEVERAL,
        mode=new.mode.value,
        config=new.config.model_dump(mode="json"),
        arms=[arm.model_dump(mode="json") for arm in arms],
        plan=new.plan.model_dump(mode="json"),
        seeds=[],
        is_open=new.is_watched,
        created_at=now,
    )
    comparison.change = note_change(session, "comparison", comparison.id)
    session.add(comparison)
    session.flush()
    launch_seeds(session, comparison, new.seeds, at=now, tags=new.tags, notes=new.notes)
    return comparison


def planned_arms(new: NewComparison) -> tuple[Sequence[ArmSpec], list[RunConfig]]:
    """The arms with what each trains of the first seed. Raises BadInput where an arm does not fit together."""
    arms = new.chosen_arms
    configs = [arm_config(arm, index, new.config, seed=new.seeds[0]) for index, arm in enumerate(arms)]
    _refuse_twins(arms, configs)
    return arms, configs


def launch_seeds(
    session: Session,
    comparison: Comparison,
    seeds: Sequence[int],
    *,
    at: datetime,
    tags: Sequence[str] = (),
    notes: str = "",
) -> list[Run]:
    """A run of each arm for each of them. Raises BadInput where settings of an older version are not valid any more."""
    base = valid_config(comparison.config or {})
    made: list[Run] = []
    for index, (seed, (place, arm)) in enumerate(
        (seed, placed) for seed in seeds for placed in enumerate(arms_of(comparison))
    ):
        is_after = made and comparison.mode == Mode.SEQUENTIAL
        row = NewRow(
            config=arm_config(arm, place, base, seed=seed),
            name=_run_name(comparison.name, seed=seed, arm=arm.name),
            tags=list(tags),
            notes=notes,
            comparison_id=comparison.id,
            arm=arm.name,
            after_id=made[-1].id if is_after else None,
        )
        # The queue is ordered by time; rows of one instant would be trained in any order.
        made.append(insert_run(session, row, at=at + timedelta(microseconds=index)))
    comparison.seeds = [*(comparison.seeds or []), *seeds]
    return made


def default_name(config: RunConfig) -> str:
    return f"{config.dataset.value} ResNet-{int(config.depth)}"


def _refuse_twins(arms: Sequence[ArmSpec], configs: Sequence[RunConfig]) -> None:
    """Arms that train the same show nothing but how often a test errs."""
    trained = [trained_settings(config) for config in configs]
    for index, settings in enumerate(trained):
        first = trained.index(settings)
        if first < index:
            why = (
                "" if configs[first] == configs[index] else ": what they change does nothing while sd is off or pL is 1"
            )
            names = f"arms {arms[first].name!r} and {arms[index].name!r}"
            raise BadInput({f"arms.{index}": [f"{names} train the same{why}; change one of them"]})


def _run_name(name: str, *, seed: int, arm: str) -> str:
    suffix = f" · {_ARM_TITLES.get(arm, arm)} · seed {seed}"
    return name[: MAX_NAME - len(suffix)] + suffix
