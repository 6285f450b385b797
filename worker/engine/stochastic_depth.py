"""Stochastic depth (Huang et al., ECCV 2016): which blocks run, and what that leaves of depth and compute.

Blocks are counted l = 1..L through the whole network, those that change resolution included. The gates of a step
are a pure function of (seed, step, block), or of the image's place in the batch as well; no generator is advanced and
no device is asked, so every rank knows the gates of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from worker.engine.keys import uniform, uniforms

Mode = Literal["batch", "row", "subset"]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Which images of a micro-batch run a block: all are computed and `mask` [N, 1, 1, 1] is laid over them, or only
    those at `kept` [images] are computed, and `places` [N] says where each image's result then lies among theirs: past
    the last for those that are not."""

    images: int
    mask: Tensor | None = None
    kept: Tensor | None = None
    places: Tensor | None = None


#: One block's: whether it runs, or for which images.
Gate = bool | Rows
Gates = Sequence[Gate]


def survival_probabilities(*, blocks: int, pL: float) -> tuple[float, ...]:
    """p_l = 1 - (l/L)(1 - pL), the paper's equation 4; the last block survives with pL."""
    return tuple(1.0 - (block / blocks) * (1.0 - pL) for block in range(1, blocks + 1))


def gates(*, seed: int, step: int, survival: Sequence[float]) -> tuple[bool, ...]:
    """One gate for each block and mini-batch; True means that the block runs."""
    return tuple(uniform("gate", seed, step, block) < p for block, p in enumerate(survival, start=1))


def image_gates(*, seed: int, step: int, survival: Sequence[float], positions: Positions) -> npt.NDArray[np.bool_]:
    """[N, L]: one gate for each image and block; an image is its position in the step's whole batch."""
    return uniforms(positions, len(survival), "image gate", seed, step) < np.asarray(survival)


@dataclass(frozen=True)
class GateKeeper:
    """The gates of a run. `batch` positions make a step's whole batch, whichever rank computes them."""

    mode: Mode
    seed: int
    survival: tuple[float, ...]
    batch: int

    def gates(self, *, step: int, positions: Positions, device: torch.device) -> Gates:
        """For the micro-batch whose images are at `positions` of the batch. Nothing waits for the device."""
        if self.mode == "batch":
            return gates(seed=self.seed, step=step, survival=self.survival)
        is_open = self._image_gates(step, positions)
        return _masks(is_open, device) if self.mode == "row" else _subsets(is_open, device)

    def open_shares(self, *, step: int) -> tuple[float, ...]:
        """For each block the share of the step's images that run it, on all ranks together."""
        if self.mode == "batch":
            return tuple(float(is_open) for is_open in gates(seed=self.seed, step=step, survival=self.survival))
        return tuple(self._image_gates(step, np.arange(self.batch)).mean(0).tolist())

    def computed_shares(self, open_shares: Sequence[float]) -> Sequence[float]:
        """For each block the share of images for which it is computed: all of them where a mask is laid over."""
        return (1.0,) * len(self.survival) if self.mode == "row" else open_shares

    def _image_gates(self, step: int, positions: Positions) -> npt.NDArray[np.bool_]:
        return image_gates(seed=self.seed, step=step, survival=self.survival, positions=positions)


def _masks(is_open: npt.NDArray[np.bool_], device: torch.device) -> Gates:
    """One copy to the device for all blocks."""
    masks = _to_device(torch.from_numpy(is_open.T.astype(np.float32)), device)[:, :, None, None, None]
    return [Rows(int(count), mask=masks[block]) for block, count in enumerate(is_open.sum(0))]


def _subsets(is_open: npt.NDArray[np.bool_], device: torch.device) -> Gates:
    """One copy to the device for all blocks."""
    counts = is_open.sum(0)
    kept = np.nonzero(is_open.T)[1]
    places = np.where(is_open, is_open.cumsum(0) - 1, counts).T
    sent = _to_device(torch.from_numpy(np.concatenate((kept, places.ravel()))), device)
    parts = zip(
        counts.tolist(),
        torch.split(sent[: len(kept)], counts.tolist()),
        sent[len(kept) :].view(places.shape).unbind(),
        strict=True,
    )
    return [_subset(count, kept=kept, places=places) for count, kept, places in parts]


def _subset(count: int, *, kept: Tensor, places: Tensor) -> Gate:
    """One that is open for all images, or for none, needs no gathering."""
    return bool(count) if count in (0, len(places)) else Rows(count, kept=kept, places=places)


def _to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """From pinned memory, because a copy from other memory would wait for the device."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


@dataclass(frozen=True)
class Compute:
    """Multiply-adds of one image: `fixed` always run, `branches[l-1]` only where gate l is open."""

    fixed: int
    branches: tuple[int, ...]

    @property
    def full(self) -> int:
        return self.fixed + sum(self.branches)

    def share(self, computed: Sequence[float]) -> float:
        """What is left of the full compute where block l is computed for the share `computed[l-1]` of the images.

        With the survival probabilities for `computed`, it is what is left in the mean.
        """
        return (self.fixed + sum(cost * part for cost, part in zip(self.branches, computed, strict=True))) / self.full
