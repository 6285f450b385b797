"""Randomness without state: every draw is a pure function of what it is for and a key.

So nothing random has to be saved, a resume costs the same at any step, and it does not matter who draws first.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import torch

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def seed_of(purpose: str, *key: int | str) -> int:
    """64 bits of BLAKE2b over the purpose and the key; parts are quoted, so ("a", 1, 2) differs from ("a", 12)."""
    digest = hashlib.blake2b(repr((purpose, *key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def uniform(purpose: str, *key: int | str) -> float:
    """A number in [0, 1), with the 53 bits that a float can tell apart."""
    return (seed_of(purpose, *key) >> 11) * 2.0**-53


def generator(purpose: str, *key: int | str) -> torch.Generator:
    """A fresh CPU generator for one tensor's worth of draws."""
    return torch.Generator("cpu").manual_seed(seed_of(purpose, *key))


def permutation(length: int, purpose: str, *key: int | str) -> npt.NDArray[np.int64]:
    return torch.randperm(length, generator=generator(purpose, *key)).numpy()


def uniforms(indices: npt.NDArray[np.int64], draws: int, purpose: str, *key: int | str) -> npt.NDArray[np.float64]:
    """`draws` numbers in [0, 1) for each index, as [len(indices), draws]; an index draws the same in any company.

    SplitMix64 (Steele, Lea, Flood 2014) at the positions index x draws + draw of the stream that the key starts:
    some nanoseconds a number, where a hash of each would take microseconds.
    """
    start = np.uint64(seed_of(purpose, *key))
    positions: npt.NDArray[np.uint64] = (indices[:, None] * draws + np.arange(1, draws + 1)).astype(np.uint64)
    bits = _mixed(start + positions * _GOLDEN)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
