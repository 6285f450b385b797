"""What a comparison would take and what it could show, before anything is launched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from pydantic import BaseModel, JsonValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.compare.design import NewComparison, arms_of
from backend.compare.service import planned_arms
from backend.db.tables import Comparison, Run
from backend.runs.configs import Derived, check_config
from worker.contract.arms import ArmSpec
from worker.contract.config import RunConfig
from worker.contract.datasets import DATASETS
from worker.contract.plan import Plan
from worker.contract.status import RunStatus
from worker.evidence.preview_words import cost_sentence, headline, image_sentence, spread_sentence
from worker.evidence.sensitivity import (
    JUDGED_DIFFERENTLY,
    Reach,
    Spread,
    assumed_spread,
    images_reach,
    pooled_spread,
    reach,
)

#: Of earlier work only the newest is looked at.
_RUNS_LOOKED_AT, _COMPARISONS_LOOKED_AT, _RUNS_TIMED = 1000, 300, 10
#: Settings that change neither what a step computes nor how often images are judged.
_NOT_OF_TIME = frozenset(
    {
        "seed", "epochs", "lr", "warmup_epochs", "min_lr", "momentum", "nesterov", "clip_grad", "weight_decay",
        "decay_norms", "label_smoothing", "crop_padding", "flip", "zero_init", "log_every", "checkpoint_minutes",
        "keep_checkpoints",
    }
)  # fmt: skip
_OF_STOCHASTIC_DEPTH = frozenset({"pL", "sd_mode", "sd_dropped", "sd_scale", "sd_transitions"})
#: What makes two comparisons alike enough for the spread over their seeds.
_LIKE = ("dataset", "data_dir", "depth", "epochs", "image_size", "batch")
#: More rows would be read by nobody: these numbers of seeds beside the planned one.
_NUMBERS_OF_SEEDS = (2, 3, 5, 10, 20, 30)


class PreviewedArm(BaseModel):
    """`run_hours` are device hours of one run; null where no run with its settings has completed here."""

    name: str
    settings: dict[str, JsonValue]
    steps: int | None
    run_hours: float | None
    timed_runs: int


class ComparisonPreview(BaseModel):
    """`runs` would be made at once, and of a sequential plan at most `most_runs`.

    So for the device hours, which are null where an arm was never trained here; they are of the kind `device`, on which
    such runs were trained last. `reach` has what numbers of seeds can show, in the metric's unit; `spread` is the
    standard deviation of a difference over seeds, of which it follows, and `images_half_width` the limit that the
    validation images set to one pair of networks. All that is said of it is in `headline` and `notes`. `derived` is
    what the defaults of the reference come to.
    """

    arms: list[PreviewedArm]
    seeds: list[int]
    runs: int
    most_runs: int
    device_hours: float | None
    device: str | None
    most_device_hours: float | None
    spread: Spread | None
    reach: list[Reach]
    images: int | None
    images_half_width: float | None
    headline: str
    notes: list[str]
    warnings: list[str]
    derived: Derived


def preview_of(session: Session, new: NewComparison) -> ComparisonPreview:
    """Raises BadInput as a launch does."""
    arms, configs = planned_arms(new)
    checked = [check_config(session, config) for config in configs]
    timed = _timed(session, configs)
    most_seeds = new.plan.most_seeds or len(new.seeds)
    images = DATASETS[new.config.dataset].val_images
    spread = _spread(session, new, images)
    counts = sorted({*_NUMBERS_OF_SEEDS, len(new.seeds), most_seeds})
    reached = (
        [reach(count, spread.value, new.plan, contrasts=len(arms) - 1) for count in counts]
        if spread is not None
        else []
    )
    share = JUDGED_DIFFERENTLY.get(new.plan.metric)
    half_width = images_reach(images, share, new.plan.confidence) if images and share else None
    per_seed = timed.per_seed
    hours = None if per_seed is None else per_seed * len(new.seeds)
    return ComparisonPreview(
        arms=[
            PreviewedArm(
                name=arm.name,
                settings=dict(arm.settings),
                steps=check.derived.steps,
                run_hours=taken,
                timed_runs=count,
            )
            for arm, check, taken, count in zip(arms, checked, timed.hours, timed.runs, strict=True)
        ],
        seeds=list(new.seeds),
        runs=len(arms) * len(new.seeds),
        most_runs=len(arms) * most_seeds,
        device_hours=hours,
        device=timed.device,
        most_device_hours=None if per_seed is None else per_seed * most_seeds,
        spread=spread,
        reach=reached,
        images=images,
        images_half_width=half_width,
        headline=headline(next((one for one in reached if one.seeds == most_seeds), None), new.plan, seeds=most_seeds),
        notes=[
            note
            for note in (
                spread_sentence(spread, new.plan),
                image_sentence(images, half_width, new.plan),
                cost_sentence(
                    hours,
                    timed_runs=min(timed.runs),
                    timed_arms=sum(count > 0 for count in timed.runs),
                    arms=len(arms),
                    device=timed.device,
                ),
            )
            if note
        ],
        warnings=list(dict.fromkeys(warning for check in checked for warning in check.warnings)),
        derived=checked[0].derived,
    )


@dataclass(frozen=True)
class _Timed:
    """Device hours of one run of each arm, None where none was measured; of `runs` completed ones on `device`."""

    hours: list[float | None]
    runs: list[int]
    device: str | None

    @property
    def per_seed(self) -> float | None:
        known = [hours for hours in self.hours if hours is not None]
        return sum(known) if len(known) == len(self.hours) else None


def _timed(session: Session, configs: Sequence[RunConfig]) -> _Timed:
    """Medians over the newest completed runs, all of one kind of device: that of the newest of them."""
    columns = select(Run.config, Run.elapsed_seconds, Run.facts).where(Run.status == RunStatus.COMPLETED)
    wanted = [_time_key(config.model_dump(mode="json")) for config in configs]
    found: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    device = None
    for config, seconds, facts in session.execute(columns.order_by(Run.created_at.desc()).limit(_RUNS_LOOKED_AT)):
        key = _time_key(config)
        if key not in wanted or not config.get("epochs") or not facts.get("device"):
            continue
        device = device or facts["device"]
        if facts["device"] == device and len(found[key]) < _RUNS_TIMED:
            found[key].append(seconds / config["epochs"])
    hours = [
        median(found[key]) * config.epochs * config.devices / 3600 if found[key] else None
        for config, key in zip(configs, wanted, strict=True)
    ]
    return _Timed(hours, [len(found[key]) for key in wanted], device)


def _time_key(config: Mapping[str, Any]) -> tuple[Any, ...]:
    left_out = _NOT_OF_TIME if config.get("sd") else _NOT_OF_TIME | _OF_STOCHASTIC_DEPTH
    return tuple(
        (name, _image_side(config) if name == "image_size" else config.get(name))
        for name in RunConfig.model_fields
        if name not in left_out
    )


def _image_side(config: Mapping[str, Any]) -> int | None:
    """The default of a dataset counts as if it had been named."""
    facts = DATASETS.get(config.get("dataset"))  # type: ignore[arg-type]  # a value of the enumeration is its text
    return config.get("image_size") or (facts.side if facts is not None else None)


def _spread(session: Session, new: NewComparison, images: int | None) -> Spread | None:
    # What one depth showed says nothing of arms of several.
    is_one_kind = not any(_changes_kind(arm) for arm in new.chosen_arms)
    measured = pooled_spread(_earlier_differences(session, new.config, new.plan)) if is_one_kind else None
    if measured is not None:
        return measured
    share = JUDGED_DIFFERENTLY.get(new.plan.metric)
    return assumed_spread(images, share) if images and share else None


def _changes_kind(arm: ArmSpec) -> bool:
    return any(name in _LIKE for name in arm.settings)


def _earlier_differences(session: Session, config: RunConfig, plan: Plan) -> list[list[float]]:
    """Of each arm of earlier comparisons with like settings against its reference, over the seeds."""
    like = _like(config.model_dump(mode="json"))
    newest = select(Comparison).order_by(Comparison.created_at.desc()).limit(_COMPARISONS_LOOKED_AT)
    alike = {
        one.id: one
        for one in session.execute(newest).scalars()
        if one.config and _like(one.config) == like and not any(_changes_kind(arm) for arm in arms_of(one))
    }
    completed = select(Run.comparison_id, Run.arm, Run.config, Run.latest).where(
        Run.comparison_id.in_(alike), Run.status == RunStatus.COMPLETED
    )
    values: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for comparison_id, arm, own, latest in session.execute(completed):
        value = latest.get(plan.metric)
        if arm is not None and value is not None:
            values[comparison_id, arm][own["seed"]] = value
    return [
        [seeds[seed] - reference[seed] for seed in seeds if seed in reference]
        for comparison_id, comparison in alike.items()
        for reference, seeds in _contrasts(arms_of(comparison), comparison_id, values)
    ]


def _contrasts(
    arms: Sequence[ArmSpec], comparison_id: str, values: Mapping[tuple[str, str], dict[int, float]]
) -> list[tuple[dict[int, float], dict[int, float]]]:
    first, *others = [values.get((comparison_id, arm.name), {}) for arm in arms]
    return [(first, other) for other in others]


def _like(config: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(_image_side(config) if name == "image_size" else config.get(name) for name in _LIKE)
