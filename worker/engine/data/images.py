"""What every dataset offers: batches of raw images by index, and the facts that a network needs of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Indices = npt.NDArray[np.int64]

#: The label of an image that nobody can guess right; cross-entropy leaves it out.
UNREADABLE = -100


class Batch(NamedTuple):
    """Images as uint8 [N, 3, side, side], labels and the images' indices in the split as int64 [N].

    Normalisation is the device's work, and so is whatever is drawn by an image's index. `damaged` has a sentence for
    each file that could not be decoded: in training another image stands in its place, label and index included; in
    an evaluation its label is UNREADABLE. `faint` has one for each whose numbers fill so little of their range that
    nearly nothing is seen.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
    damaged: tuple[str, ...] = ()
    faint: tuple[str, ...] = ()


class Originals(NamedTuple):
    """`names` are the files of all images of a split below its folder; images without files have `pixels` instead,
    [N, channels, height, width], as they were before any scaling."""

    names: npt.NDArray[np.bytes_] | None
    pixels: npt.NDArray[np.uint8] | None


@dataclass(frozen=True)
class Augmentation:
    """Random crops of training images; each image's is fixed by (seed, epoch, its index)."""

    seed: int
    crop_padding: int


class Images(Protocol):
    """One split of a dataset. Picklable, so that loader processes can have it."""

    def __len__(self) -> int: ...

    def plain(self, indices: Indices) -> Batch:
        """As an evaluation sees them."""

    def augmented(self, indices: Indices, *, epoch: int, augmentation: Augmentation) -> Batch:
        """As training sees them in this epoch."""

    def originals(self, indices: Indices, /) -> Originals:
        """Where all images come from, or what those at `indices` look like."""


@dataclass(frozen=True)
class Dataset:
    """Both splits. `mean` and `std` are by channel for values in [0, 1]; `fingerprint` names the exact images.

    `notices` are sentences that whoever trains on it should see.
    """

    name: str
    train: Images
    val: Images
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fingerprint: str
    notices: tuple[str, ...] = ()


class Normalise:
    """Images with values of 0-255 to floats of mean 0 and deviation 1, on the device."""

    def __init__(self, dataset: Dataset, device: torch.device) -> None:
        self._mean = torch.tensor(dataset.mean, device=device).view(1, 3, 1, 1) * 255.0
        self._scale = 1.0 / (torch.tensor(dataset.std, device=device).view(1, 3, 1, 1) * 255.0)

    def __call__(self, images: Tensor) -> Tensor:
        # Bytes become floats while the mean is taken off, and not in a pass of its own over four times the memory.
        floats = (images.to(self._mean.device, non_blocking=True) - self._mean).mul_(self._scale)
        return floats.contiguous(memory_format=torch.channels_last)
