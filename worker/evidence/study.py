"""The results of arms over seeds, as they come from anywhere: what a verdict is about."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_ARMS = 50
#: Of a difference and its square, in sums; nothing that is measured lies beyond.
LARGEST = 1e100

Seed = int | str


class Ending(StrEnum):
    """How a run of the study ended, if it has."""

    COMPLETED = "completed"
    PENDING = "pending"
    FAILED = "failed"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    DELETED = "deleted"
    UNMEASURED = "unmeasured"

    @property
    def has_ended(self) -> bool:
        return self is not Ending.PENDING


class Result(BaseModel):
    """Of one arm and seed. A completed one has a value; one whose value is not a finite number has diverged."""

    model_config = ConfigDict(frozen=True)

    arm: str
    seed: Seed
    value: float | None = None
    ending: Ending = Ending.COMPLETED

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        if self.ending is Ending.COMPLETED and self.value is None:
            raise ValueError(f"arm {self.arm!r}, seed {self.seed} is completed without a value")
        return self

    @property
    def is_usable(self) -> bool:
        return self.ending is Ending.COMPLETED and self.value is not None and abs(self.value) <= LARGEST

    @property
    def told_ending(self) -> Ending:
        """A value beyond all numbers is a divergence, whatever the run said of itself."""
        return Ending.DIVERGED if self.ending is Ending.COMPLETED and not self.is_usable else self.ending


class Study(BaseModel):
    """`arms` are names, the reference first; `planned` are the seeds that were settled before, in their order.

    `titles` are how a sentence calls an arm. `unit` follows a number in a sentence (" points"), and `decimals` are
    shown of it; None suits them to the spread. Results of seeds that were not planned are an extension of the plan, and
    `departures` say what else was changed in it after the first results.
    """

    model_config = ConfigDict(frozen=True)

    arms: tuple[str, ...] = Field(min_length=2, max_length=MOST_ARMS)
    planned: tuple[Seed, ...]
    results: tuple[Result, ...]
    higher_is_better: bool = True
    departures: tuple[str, ...] = ()
    titles: dict[str, str] = {}
    unit: str = ""
    decimals: int | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if len(set(self.arms)) < len(self.arms):
            raise ValueError("an arm is named twice; give each its own name")
        seen = set()
        for result in self.results:
            if result.arm not in self.arms:
                raise ValueError(f"arm {result.arm!r} is none of the study's: {', '.join(self.arms)}")
            if (result.arm, result.seed) in seen:
                raise ValueError(f"arm {result.arm!r} has two results of seed {result.seed}; leave one out")
            seen.add((result.arm, result.seed))
        return self

    @property
    def reference(self) -> str:
        return self.arms[0]

    def title(self, arm: str) -> str:
        return self.titles.get(arm, arm)

    @property
    def seeds(self) -> tuple[Seed, ...]:
        """The planned ones and then all others that have a result, in the order in which they came."""
        return tuple(dict.fromkeys((*self.planned, *(result.seed for result in self.results))))

    @property
    def extra(self) -> tuple[Seed, ...]:
        planned = set(self.planned)
        return tuple(seed for seed in self.seeds if seed not in planned)

    @property
    def complete(self) -> tuple[Seed, ...]:
        """Those of which every arm has a value, in their order: a seed counts when all its arms have ended."""
        found = {(result.arm, result.seed) for result in self.results if result.is_usable}
        return tuple(seed for seed in self.seeds if all((arm, seed) in found for arm in self.arms))

    @property
    def pending(self) -> tuple[Seed, ...]:
        """Planned or begun, and not decided: a run of theirs has not ended, and none has ended without a value."""
        by_key = {(result.arm, result.seed): result.told_ending for result in self.results}
        endings = {seed: [by_key.get((arm, seed), Ending.PENDING) for arm in self.arms] for seed in self.seeds}
        return tuple(
            seed
            for seed, found in endings.items()
            if Ending.PENDING in found and all(end in (Ending.PENDING, Ending.COMPLETED) for end in found)
        )

    def lost(self) -> Iterator[Result]:
        """The runs that ended without a value, which takes their seeds out of the comparison."""
        return (one for one in self.results if one.told_ending.has_ended and not one.is_usable)

    def values(self, arm: str, seeds: Sequence[Seed]) -> list[float]:
        found = {result.seed: result.value for result in self.results if result.arm == arm and result.is_usable}
        values = [found[seed] for seed in seeds]
        assert all(value is not None and math.isfinite(value) for value in values)
        return [float(value) for value in values if value is not None]
