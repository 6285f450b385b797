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
    """Each epoch is a new permutation, cut into whole batches; what is left over is not seen in that epoch.

    A batch is cut into one part for each rank, and that into micro-batches: `rank` asks for its own.
    """

    images: int
    batch: int
    seed: int
    rank: int = 0
    ranks: int = 1
    accumulation: int = 1

    @property
    def steps_per_epoch(self) -> int:
        return self.images // self.batch

    def positions(self, micro: int) -> Indices:
        """Where this rank's micro-batch lies in the batch."""
        part = self.batch // (self.ranks * self.accumulation)
        start = (self.rank * self.accumulation + micro) * part
        return np.arange(start, start + part)

    def requests(self, start: int, end: int, *, micro: int = 0) -> Iterator[Request]:
        """The micro-batches of steps start..end-1, the first `micro` of step `start` left out."""
        shuffled: tuple[int, Indices] | None = None
        for step in range(start, end):
            epoch, position = divmod(step, self.steps_per_epoch)
            if shuffled is None or shuffled[0] != epoch:
                shuffled = epoch, permutation(self.images, "order", self.seed, epoch)
            for part in range(micro if step == start else 0, self.accumulation):
                yield Request(shuffled[1][position * self.batch + self.positions(part)], epoch)


def in_order(images: int, *, batch: int, rank: int = 0, ranks: int = 1) -> list[Request]:
    """Every image exactly once over all ranks, which have equally many batches; the last may be smaller, or empty."""
    own = np.arange(rank, images, ranks)
    most = -(-images // ranks)
    return [Request(own[start : start + batch]) for start in range(0, most, batch)]


def sample(images: int, *, batch: int, batches: int, seed: int, epoch: int) -> list[Request]:
    """At most `batches` whole plain batches of different images, chosen anew for each epoch."""
    chosen = permutation(images, "batch norm", seed, epoch)
    count = min(batches, images // batch)
    return [Request(chosen[index * batch : (index + 1) * batch]) for index in range(count)]


def in_parts(requests: list[Request], *, most: int) -> list[Request]:
    """The same images in the same order, no more than `most` at a time, in parts as equal as can be."""
    return [
        Request(part, request.epoch)
        for request in requests
        for part in np.array_split(request.indices, -(-len(request.indices) // most))
    ]
