"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from worker.contract.config import RunConfig


@dataclass(frozen=True)
class Schedule:
    """Linear warmup to `peak`, reached at the last warmup step, then a cosine that ends at `last` (SGDR, Goyal)."""

    peak: float
    last: float
    warmup_steps: float
    total_steps: int

    def lr(self, step: int) -> float:
        """For the step that makes `step` into `step + 1`."""
        if step < self.warmup_steps:
            return self.peak * min(1.0, (step + 1) / self.warmup_steps)
        progress = (step - self.warmup_steps) / max(1.0, self.total_steps - self.warmup_steps)
        return self.last + (self.peak - self.last) * (1.0 + math.cos(math.pi * min(1.0, progress))) / 2.0


def schedule_of(config: RunConfig, *, steps_per_epoch: int) -> Schedule:
    return Schedule(
        peak=config.peak_lr,
        last=config.min_lr,
        warmup_steps=config.warmup_epochs * steps_per_epoch,
        total_steps=config.epochs * steps_per_epoch,
    )
