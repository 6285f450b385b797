"""Stochastic depth (Huang et al., ECCV 2016): which blocks run, and what that leaves of depth and compute.

Blocks are counted l = 1..L through the whole network, those that change resolution included. The gates of a step
are a pure function of (seed, step, block); no generator is advanced and no device is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worker.engine.keys import uniform

Gates = tuple[bool, ...]


def survival_probabilities(*, blocks: int, pL: float) -> tuple[float, ...]:
    """p_l = 1 - (l/L)(1 - pL), the paper's equation 4; the last block survives with pL."""
    return tuple(1.0 - (block / blocks) * (1.0 - pL) for block in range(1, blocks + 1))


def gates(*, seed: int, step: int, survival: Sequence[float]) -> Gates:
    """One gate for each block and mini-batch; True means that the block runs."""
    return tuple(uniform("gate", seed, step, block) < p for block, p in enumerate(survival, start=1))


@dataclass(frozen=True)
class Compute:
    """Multiply-adds of one image: `fixed` always run, `branches[l-1]` only where gate l is open."""

    fixed: int
    branches: tuple[int, ...]

    @property
    def full(self) -> int:
        return self.fixed + sum(self.branches)

    def share(self, open_gates: Gates) -> float:
        """What these gates leave of the full compute."""
        kept = sum(cost for cost, is_open in zip(self.branches, open_gates, strict=True) if is_open)
        return (self.fixed + kept) / self.full

    def expected_share(self, survival: Sequence[float]) -> float:
        kept = sum(cost * p for cost, p in zip(self.branches, survival, strict=True))
        return (self.fixed + kept) / self.full


def expected_depth(survival: Sequence[float]) -> float:
    """Blocks that run in the mean."""
    return sum(survival)
