"""What is done to a training batch on the device: normalisation and MixUp (Zhang et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from worker.contract.config import RunConfig
from worker.engine.data.images import Batch, Dataset, Normalise
from worker.engine.keys import seed_of


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
    """For the training's batches and, without anything random, for an evaluation's."""

    def __init__(self, config: RunConfig, dataset: Dataset, device: torch.device) -> None:
        self._config = config
        self._device = device
        self._normalise = Normalise(dataset, device)

    def training(self, batch: Batch, *, epoch: int, step: int) -> tuple[Tensor, Targets]:  # noqa: ARG002
        """Floats [N, 3, S, S] in channels_last, and their targets."""
        images = self._normalise(batch.images)
        labels = batch.labels.to(self._device, non_blocking=True)
        if not self._config.mixup:
            return images, Targets(labels)
        share = mixup_share(self._config.mixup, seed=self._config.seed, step=step)
        # An order of the epoch is random already, so the neighbour is as good a partner as any.
        return torch.lerp(images.roll(1, 0), images, share), Targets(labels, labels.roll(1, 0), share)

    def plain(self, images: Tensor) -> Tensor:
        return self._normalise(images)


def mixup_share(alpha: float, *, seed: int, step: int) -> float:
    """Of Beta(alpha, alpha), one for each step."""
    return float(np.random.default_rng(seed_of("mixup", seed, step)).beta(alpha, alpha))


def _hits(guesses: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    right = guesses == labels[:, None]
    return right[:, 0].sum().double(), right.sum().double()
