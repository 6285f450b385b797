"""Which images a step sees. Every step's batch can be asked for at once, so that a resume skips nothing one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from worker.engine.data.images import Indices
from worker.engine.keys import permutation


@dataclass(frozen=True)
class Request:
    """One batch to fetch; augmented as in `epoch`, or plain where that is None."""

    indices: Indices
    epoch: int | None = None


@dataclass(frozen=True)
class TrainingOrder:
    """Each epoch is a new permutation, cut into whole batches; what is left over is not seen in that epoch."""

    images: int
    batch: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return self.images // self.batch

    def requests(self, start: int, end: int) -> Iterator[Request]:
        """The batches of steps start..end-1."""
        shuffled: tuple[int, Indices] | None = None
        for step in range(start, end):
            epoch, position = divmod(step, self.steps_per_epoch)
            if shuffled is None or shuffled[0] != epoch:
                shuffled = epoch, permutation(self.images, "order", self.seed, epoch)
            yield Request(shuffled[1][position * self.batch : (position + 1) * self.batch], epoch)


def in_order(images: int, *, batch: int) -> list[Request]:
    """Every image exactly once; the last batch may be smaller."""
    return [Request(np.arange(start, min(start + batch, images))) for start in range(0, images, batch)]


def sample(images: int, *, batch: int, batches: int, seed: int, epoch: int) -> list[Request]:
    """At most `batches` whole plain batches of different images, chosen anew for each epoch."""
    chosen = permutation(images, "batch norm", seed, epoch)
    count = min(batches, images // batch)
    return [Request(chosen[index * batch : (index + 1) * batch]) for index in range(count)]
