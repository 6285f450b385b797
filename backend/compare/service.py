"""Launching a comparison, and further seeds of one that is watched."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from backend.compare.design import Mode, NewComparison, arms_of, trained_configs
from backend.db.changes import note_change
from backend.db.tables import Comparison, Run
from backend.runs.configs import check_config
from backend.runs.creation import NewRow, insert_run, new_id, valid_config
from backend.runs.inputs import MAX_NAME
from worker.contract.arms import BASELINE, SD, ArmSpec, is_usual
from worker.contract.config import RunConfig

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
    return arms, trained_configs(arms, new.config, seed=new.seeds[0])


def launch_seeds(
    session: Session,
    comparison: Comparison,
    seeds: Sequence[int],
    *,
    at: datetime,
    tags: Sequence[str] = (),
    notes: str = "",
    after: Run | None = None,
) -> list[Run]:
    """A run of each arm for each of them, behind `after` where they are trained one after the other.

    Raises BadInput where settings of an older version are not valid any more.
    """
    base = valid_config(comparison.config or {})
    made: list[Run] = []
    arms = arms_of(comparison)
    planned = [(seed, *one) for seed in seeds for one in zip(arms, trained_configs(arms, base, seed=seed), strict=True)]
    for index, (seed, arm, config) in enumerate(planned):
        before = made[-1] if made else after
        row = NewRow(
            config=config,
            name=_run_name(comparison.name, seed=seed, arm=arm.name),
            tags=list(tags),
            notes=notes,
            comparison_id=comparison.id,
            arm=arm.name,
            after_id=before.id if before is not None and comparison.mode == Mode.SEQUENTIAL else None,
        )
        # The queue is ordered by time; rows of one instant would be trained in any order.
        made.append(insert_run(session, row, at=at + timedelta(microseconds=index)))
    comparison.seeds = [*(comparison.seeds or []), *seeds]
    return made


def default_name(config: RunConfig) -> str:
    return f"{config.dataset.value} ResNet-{int(config.depth)}"


def _run_name(name: str, *, seed: int, arm: str) -> str:
    suffix = f" · {_ARM_TITLES.get(arm, arm)} · seed {seed}"
    return name[: MAX_NAME - len(suffix)] + suffix
