"""What is done to a training batch on the device: flips, colour jitter, normalisation and MixUp (Zhang et al. 2018).

An image's flip and colours are drawn by (seed, epoch, its index), so they are the same in any batch, on any rank and
in both twins of a comparison; MixUp's share by (seed, step).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from worker.contract.config import RunConfig
from worker.engine.data.images import UNREADABLE, Batch, Dataset, Normalise
from worker.engine.keys import seed_of, uniforms

#: A flip, and a factor each for brightness, contrast and saturation.
DRAWS_PER_IMAGE = 4
#: Of red, green and blue in what the eye takes for brightness (ITU-R BT.601), as torchvision rounds them.
LUMA = (0.2989, 0.587, 0.114)
WHITE = 255.0


@dataclass(frozen=True)
class Targets:
    """What a batch should be taken for: `labels` [N] with the weight `share`, `partners` [N] with the rest."""

    labels: Tensor
    partners: Tensor | None = None
    share: float = 1.0

    def loss(self, logits: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Mean cross-entropy; MixUp's is the blend of both labels' losses, which is that of the blended label."""
        own = cross_entropy(logits, self.labels, label_smoothing=label_smoothing)
        if self.partners is None:
            return own
        other = cross_entropy(logits, self.partners, label_smoothing=label_smoothing)
        return self.share * own + (1.0 - self.share) * other

    def loss_of_readable(self, logits: Tensor) -> Tensor:
        """Mean cross-entropy over the images that could be read, 0 where none could."""
        total = cross_entropy(logits, self.labels, reduction="sum", ignore_index=UNREADABLE)
        return total / (self.labels != UNREADABLE).sum().clamp(min=1)

    def hits(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """How many first guesses, and how many among five, are right; a blended image counts by its shares."""
        guesses = logits.topk(min(5, logits.shape[1]), dim=1).indices
        own = _hits(guesses, self.labels)
        if self.partners is None:
            return own
        other = _hits(guesses, self.partners)
        first, five = (self.share * a + (1.0 - self.share) * b for a, b in zip(own, other, strict=True))
        return first, five


class Augment:
    """For the training's batches and, without anything random, for an evaluation's. Nothing waits for the device."""

    def __init__(self, config: RunConfig, dataset: Dataset, device: torch.device) -> None:
        self._config = config
        self._device = device
        self._normalise = Normalise(dataset, device)

    def training(self, batch: Batch, *, epoch: int, step: int) -> tuple[Tensor, Targets]:
        """Floats [N, 3, S, S] in channels_last, and their targets."""
        images = self._normalise(self._changed(batch, epoch))
        labels = batch.labels.to(self._device, non_blocking=True)
        if not self._config.mixup:
            return images, Targets(labels)
        share = mixup_share(self._config.mixup, seed=self._config.seed, step=step)
        # An order of the epoch is random already, so the neighbour in the micro-batch is as good a partner as any.
        return torch.lerp(images.roll(1, 0), images, share), Targets(labels, labels.roll(1, 0), share)

    def plain(self, images: Tensor) -> Tensor:
        return self._normalise(images)

    def _changed(self, batch: Batch, epoch: int) -> Tensor:
        """Flipped and jittered as configured; bytes, or floats of 0-255."""
        images = batch.images.to(self._device, non_blocking=True)
        if not self._config.flips and not self._config.color_jitter:
            return images
        draws = uniforms(batch.indices.numpy(), DRAWS_PER_IMAGE, "look", self._config.seed, epoch)
        if self._config.flips:
            images = flipped(images, self._sent(draws[:, 0] < 0.5))
        if self._config.color_jitter:
            factors = 1.0 + self._config.color_jitter * (2.0 * draws[:, 1:] - 1.0)
            images = jittered(images.float(), self._sent(factors.astype(np.float32)))
        return images

    def _sent(self, numbers: npt.NDArray[np.bool_] | npt.NDArray[np.float32]) -> Tensor:
        tensor = torch.from_numpy(numbers)
        return tensor if self._device.type == "cpu" else tensor.pin_memory().to(self._device, non_blocking=True)


def flipped(images: Tensor, mirrored: Tensor) -> Tensor:
    """[N, 3, S, S] with those mirrored, left to right, where `mirrored` [N] is true."""
    return torch.where(mirrored[:, None, None, None], images.flip(-1), images)


def jittered(images: Tensor, factors: Tensor) -> Tensor:
    """Floats of 0-255 [N, 3, S, S] with brightness, contrast and saturation, in this order, times `factors` [N, 3].

    Each is torchvision's adjust_brightness, adjust_contrast and adjust_saturation, clamped as they are.
    """
    brightness, contrast, saturation = (factors[:, column, None, None, None] for column in range(3))
    images = (images * brightness).clamp_(0.0, WHITE)
    images = torch.lerp(_luma(images).mean((1, 2, 3), keepdim=True), images, contrast).clamp_(0.0, WHITE)
    return torch.lerp(_luma(images), images, saturation).clamp_(0.0, WHITE)


def mixup_share(alpha: float, *, seed: int, step: int) -> float:
    """Of Beta(alpha, alpha), one for each step."""
    return float(np.random.default_rng(seed_of("mixup", seed, step)).beta(alpha, alpha))


def _luma(images: Tensor) -> Tensor:
    """[N, 1, S, S]."""
    red, green, blue = torch.split(images, 1, dim=1)
    return (LUMA[0] * red).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def _hits(guesses: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    right = guesses == labels[:, None]
    return right[:, 0].sum().double(), right.sum().double()
