"""Small images that are held in memory whole, cropped a batch at a time."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from worker.engine.data.images import Augmentation, Batch, Indices, Originals
from worker.engine.keys import uniforms

Pixels = npt.NDArray[np.uint8]


class ImagesInMemory:
    """`pixels` is [N, C, H, W] with one channel, which is shown as three, or with three."""

    def __init__(self, pixels: Pixels, labels: Indices, *, side: int) -> None:
        assert len(pixels) == len(labels)
        self.pixels = pixels
        self.labels = labels
        self.side = side

    def __len__(self) -> int:
        return len(self.labels)

    def fingerprint(self) -> str:
        return hashlib.sha256(self.pixels.tobytes() + self.labels.tobytes()).hexdigest()

    def plain(self, indices: Indices) -> Batch:
        return self._batch(self._resized(indices), indices)

    def augmented(self, indices: Indices, *, epoch: int, augmentation: Augmentation) -> Batch:
        """Zero padding, and a random crop back to the old size."""
        draws = uniforms(indices, 2, "crop", augmentation.seed, epoch)
        return self._batch(cropped(self._resized(indices), draws, padding=augmentation.crop_padding), indices)

    def originals(self, indices: Indices) -> Originals:
        return Originals(names=None, pixels=self.pixels[indices])

    def _resized(self, indices: Indices) -> Pixels:
        pixels = self.pixels[indices]
        return pixels if pixels.shape[-1] == self.side else resized(pixels, self.side)

    def _batch(self, pixels: Pixels, indices: Indices) -> Batch:
        return Batch(_three_channels(pixels), torch.from_numpy(self.labels[indices]), torch.from_numpy(indices))


def cropped(pixels: Pixels, draws: npt.NDArray[np.float64], *, padding: int) -> Pixels:
    """[N, C, H, W] padded with zeros and cropped to H x W; `draws` [N, 2] in [0, 1) place the crops."""
    if padding == 0:
        return pixels
    side = pixels.shape[-1]
    padded = np.pad(pixels, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    corners = (draws * (2 * padding + 1)).astype(np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(2, 3))
    return windows[np.arange(len(pixels)), :, corners[:, 0], corners[:, 1]]


def resized(pixels: Pixels, side: int) -> Pixels:
    """Bilinear, antialiased where it shrinks, rounded to whole values."""
    floats = interpolate(
        torch.from_numpy(pixels).float(), size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )
    return floats.round().clamp(0, 255).to(torch.uint8).numpy()


def _three_channels(pixels: Pixels) -> Tensor:
    """Each in memory of its own: one channel shown as three cannot be pinned for its way to a GPU."""
    tensor = torch.from_numpy(np.ascontiguousarray(pixels))
    return tensor if tensor.shape[1] == 3 else tensor.repeat(1, 3, 1, 1)
