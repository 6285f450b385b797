"""Quartiles of as many values as a run reports, in a few kilobytes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate
from statistics import quantiles

from pydantic import BaseModel, ConfigDict

#: So many values are kept as they are.
EXACT = 128
#: Beyond that, values within this factor count as one.
WIDTH = 1.002


class Quartiles(BaseModel):
    """The median of `n` values, and the quartiles between which their middle half lies."""

    model_config = ConfigDict(frozen=True)

    median: float
    q1: float
    q3: float
    n: int


class Distribution(BaseModel):
    """Of positive values, in any order. Quartiles are exact up to EXACT values and within 0.1 % beyond.

    Counts in buckets of equal width on a logarithmic scale, as Masson, Rim and Lee: DDSketch. PVLDB 12 (2019), 2195.
    """

    values: list[float] = []
    counts: dict[int, int] = {}

    def add(self, value: float) -> None:
        if not self.counts and len(self.values) < EXACT:
            self.values.append(value)
            return
        for one in (*self.values, value):
            bucket = math.floor(math.log(one, WIDTH))
            self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.values = []

    @property
    def n(self) -> int:
        return len(self.values) + sum(self.counts.values())

    def quartiles(self) -> Quartiles | None:
        """By linear interpolation between the ordered values (Hyndman and Fan 1996, definition 7, as in numpy)."""
        if self.n == 0:
            return None
        if self.n == 1:
            return Quartiles(median=self.values[0], q1=self.values[0], q3=self.values[0], n=1)
        q1, median, q3 = quantiles(self.values, n=4, method="inclusive") if self.values else self._from_counts()
        return Quartiles(median=median, q1=q1, q3=q3, n=self.n)

    def _from_counts(self) -> Iterator[float]:
        buckets, last = sorted(self.counts.items()), self.n - 1
        for share in (0.25, 0.5, 0.75):
            below, part = divmod(share * last, 1)
            lower, upper = (_ranked(buckets, rank) for rank in (int(below), min(last, int(below) + 1)))
            yield lower + part * (upper - lower)


def _ranked(buckets: list[tuple[int, int]], rank: int) -> float:
    """The middle of the bucket in which the value with so many before it lies."""
    up_to = accumulate(count for _, count in buckets)
    bucket = next(bucket for (bucket, _), through in zip(buckets, up_to, strict=True) if rank < through)
    return float(WIDTH ** (bucket + 0.5))
