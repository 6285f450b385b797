"""How far the median step of one run is to be trusted: its reports in blocks, which are resampled as wholes.

Reports that follow each other are alike (what else the machine does goes on for a while), so resampling single ones
would promise too much. Blocks of neighbours keep what is alike together: Carlstein, The use of subseries values for
estimating the variance of a general statistic from a stationary sequence. Ann. Statist. 14 (1986), 1171-1179.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import median

from pydantic import BaseModel

#: Values of a series that are kept; of a longer one evenly spaced ones, half as many up to all.
MOST_KEPT = 256
BLOCKS = 16
#: Fewer values make no blocks of several each.
FEWEST = 2 * BLOCKS
RESAMPLES = 2_000
_STATE = 19_86


class Thinned(BaseModel):
    """Every `stride`-th value of a series, however long it is."""

    stride: int = 1
    count: int = 0
    values: list[float] = []

    def add(self, value: float) -> None:
        if self.count % self.stride == 0:
            self.values.append(value)
        self.count += 1
        if len(self.values) > MOST_KEPT:
            self.values, self.stride = self.values[::2], 2 * self.stride

    def block_medians(self) -> list[float]:
        """Of BLOCKS parts of equal length, but for one value; none for a series that is too short."""
        n = len(self.values)
        if n < FEWEST:
            return []
        edges = [n * place // BLOCKS for place in range(BLOCKS + 1)]
        return [median(self.values[start:end]) for start, end in itertools.pairwise(edges)]


def median_ratio_interval(
    first: Sequence[float], second: Sequence[float], confidence: float
) -> tuple[float, float] | None:
    """Of the second run's median over the first's, by their block medians; None where one of them has none.

    It speaks of these two runs on this machine, and not of other seeds.
    """
    if not first or not second:
        return None
    import numpy as np

    draws = np.random.default_rng(_STATE)
    over, under = (
        np.median(draws.choice(np.asarray(blocks), (RESAMPLES, len(blocks))), axis=1) for blocks in (second, first)
    )
    low, high = np.quantile(over / under, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
