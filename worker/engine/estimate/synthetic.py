"""Images that stand in for a dataset whose files are not here, or whose loader is measured apart."""

from __future__ import annotations

import numpy as np
import torch

from worker.engine.data.images import Augmentation, Batch, Dataset, Indices, Originals
from worker.engine.keys import generator

BYTE = 256
#: No class has to be told from another.
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


class SyntheticImages:
    """As many as there would be; made of noise when they are asked for."""

    def __init__(self, count: int, *, classes: int, side: int) -> None:
        self._count = count
        self._classes = classes
        self._side = side

    def __len__(self) -> int:
        return self._count

    def plain(self, indices: Indices) -> Batch:
        draws = generator("synthetic", len(indices))
        pixels = torch.randint(BYTE, (len(indices), 3, self._side, self._side), generator=draws, dtype=torch.uint8)
        labels = torch.from_numpy(np.asarray(indices)) % self._classes
        return Batch(pixels, labels, torch.from_numpy(np.asarray(indices)))

    def augmented(self, indices: Indices, *, epoch: int, augmentation: Augmentation) -> Batch:  # noqa: ARG002
        return self.plain(indices)

    def originals(self, _indices: Indices) -> Originals:
        return Originals(names=None, pixels=None)


def synthetic_dataset(*, train: int, val: int, classes: int, side: int) -> Dataset:
    return Dataset(
        name="synthetic",
        train=SyntheticImages(train, classes=classes, side=side),
        val=SyntheticImages(val, classes=classes, side=side),
        classes=tuple(str(index) for index in range(classes)),
        mean=MEAN,
        std=STD,
        fingerprint="",
    )
