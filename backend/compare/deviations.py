"""What departed from a comparison's plan. It is settled when its first run starts, and every later change is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, JsonValue

from backend.compare.design import plan_of
from backend.db.tables import Comparison, Run
from worker.contract.plan import Plan, Stopping

_PLAN_FIELDS = tuple(Plan.model_fields)


class Deviation(BaseModel):
    """`field` was changed from `before` to `after` when a run had begun; of seeds, the lists of those that are left."""

    at: datetime
    field: Literal["seeds", "metric", "at", "question", "margin", "stopping", "max_seeds", "confidence"]
    before: JsonValue
    after: JsonValue
    sentence: str


def has_begun(comparison: Comparison, runs: Sequence[Run]) -> bool:
    """Also where a run is gone: nobody knows any more how far it was."""
    arms = len(comparison.arms or (0, 0))
    is_whole = len(runs) >= arms * len(comparison.seeds or ())
    return not is_whole or any(run.started_at is not None for run in runs)


def plan_changes(before: Plan, after: Plan, *, at: datetime) -> list[Deviation]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return [_deviation(at, field, old[field], new[field]) for field in _PLAN_FIELDS if old[field] != new[field]]


def seeds_change(before: Sequence[int], after: Sequence[int], *, at: datetime) -> list[Deviation]:
    return [_deviation(at, "seeds", list(before), list(after))] if list(before) != list(after) else []


def deviations_of(comparison: Comparison) -> list[Deviation]:
    return [Deviation.model_validate(one) for one in comparison.deviations or ()]


def planned_seeds(comparison: Comparison) -> list[int]:
    """Those that were settled before the first run started, and are still in it: of a plan that looks after each seed,
    all of them."""
    seeds = list(comparison.seeds or ())
    if plan_of(comparison).stopping is Stopping.SEQUENTIAL:
        return seeds
    settled = _settled(comparison, "seeds", seeds)
    return [seed for seed in seeds if seed in settled]


def departures(comparison: Comparison) -> tuple[str, ...]:
    """Why the plan's claim is lost, beside seeds that were added to it; nothing where a change was taken back."""
    return tuple(_departures(comparison))


def _departures(comparison: Comparison) -> Iterator[str]:
    plan = plan_of(comparison).model_dump(mode="json")
    for field in _PLAN_FIELDS:
        settled = _settled(comparison, field, plan[field])
        if settled != plan[field]:
            yield f"its {field} was {_told(settled)} and is {_told(plan[field])}"
    seeds = list(comparison.seeds or ())
    dropped = [seed for seed in _settled(comparison, "seeds", seeds) if seed not in seeds]
    if dropped:
        yield f"seed {dropped[0]} was dropped" if len(dropped) == 1 else f"seeds {_told(dropped)} were dropped"


def _settled(comparison: Comparison, field: str, now: Any) -> Any:
    """As it stood when the first run started."""
    return next((one.before for one in deviations_of(comparison) if one.field == field), now)


def _deviation(at: datetime, field: Any, before: Any, after: Any) -> Deviation:
    if field == "seeds":
        parts = [
            f"{what} {_told(seeds)}"
            for what, seeds in (
                ("added", [seed for seed in after if seed not in before]),
                ("dropped", [seed for seed in before if seed not in after]),
            )
            if seeds
        ]
        sentence = f"seeds: {', '.join(parts) or 'put in another order'}"
    else:
        sentence = f"{field}: {_told(before)} became {_told(after)}"
    return Deviation(at=at, field=field, before=before, after=after, sentence=sentence)


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)
