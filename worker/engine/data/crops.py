"""Which part of a photograph is seen, from numbers drawn elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

Box = tuple[int, int, int, int]

AREA = (0.08, 1.0)
RATIO = (3 / 4, 4 / 3)
ATTEMPTS = 10
DRAWS_PER_ATTEMPT = 4
#: Validation images are scaled so that the crop is 224 of 256 (Krizhevsky et al. 2012).
RESIZE_RATIO = 256 / 224
#: Of an image more times as long as wide than this, validation sees the middle only in any case.
LONGEST = 8


def random_box(width: int, height: int, draws: Sequence[float]) -> Box:
    """Inception's crop: 8-100 percent of the area at an aspect ratio of 3/4-4/3 (Szegedy et al. 2015).

    Takes four draws in [0, 1) for each attempt; after ten that do not fit, the middle at the nearest allowed ratio.
    """
    for attempt in range(ATTEMPTS):
        area, ratio, left, top = draws[attempt * DRAWS_PER_ATTEMPT : (attempt + 1) * DRAWS_PER_ATTEMPT]
        pixels = width * height * (AREA[0] + area * (AREA[1] - AREA[0]))
        aspect = math.exp(math.log(RATIO[0]) + ratio * (math.log(RATIO[1]) - math.log(RATIO[0])))
        w, h = round(math.sqrt(pixels * aspect)), round(math.sqrt(pixels / aspect))
        if 0 < w <= width and 0 < h <= height:
            return _placed(int(left * (width - w + 1)), int(top * (height - h + 1)), w, h)
    return _middle_box(width, height)


def view_of_box(image: Tensor, box: Box, side: int) -> Tensor:
    """That part of the uint8 image [3, H, W], scaled to [3, side, side]; the rest is not looked at."""
    left, top, right, bottom = box
    return resized(image[:, top:bottom, left:right], side, side)


def middle_of_resized(image: Tensor, side: int) -> Tensor:
    """The shorter side scaled to 256/224 of `side`, and the middle square of `side` taken.

    Of the longer side what is no whole pixel is cut off, as torchvision's Resize does: rounded up, the middle would
    lie elsewhere by half a pixel, and an accuracy would be of other pixels than the published ones.
    """
    image = _without_far_ends(image)
    shorter = round(side * RESIZE_RATIO)
    height, width = (length * shorter // min(image.shape[1:]) for length in image.shape[1:])
    left, top = round((width - side) / 2), round((height - side) / 2)
    return resized(image, height, width)[:, top : top + side, left : left + side]


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """Bilinear and antialiased, uint8 to uint8; within 0.05 of 255 of Pillow's in the mean."""
    if image.shape[1:] == (height, width):
        return image
    # Stored pixel by pixel and in bytes, an image takes torch's vectorised kernel, 5 times as fast as the others.
    pixels = image[None].contiguous(memory_format=torch.channels_last)
    return interpolate(pixels, size=(height, width), mode="bilinear", align_corners=False, antialias=True)[0]


def _without_far_ends(image: Tensor) -> Tensor:
    """A strip of one pixel by thousands would be scaled to gigabytes."""
    height, width = image.shape[1:]
    rows, columns = min(height, width * LONGEST), min(width, height * LONGEST)
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[:, top : top + rows, left : left + columns]


def _middle_box(width: int, height: int) -> Box:
    w, h = width, height
    if width / height < RATIO[0]:
        h = max(1, round(width / RATIO[0]))
    elif width / height > RATIO[1]:
        w = max(1, round(height * RATIO[1]))
    return _placed((width - w) // 2, (height - h) // 2, w, h)


def _placed(left: int, top: int, width: int, height: int) -> Box:
    return left, top, left + width, top + height
