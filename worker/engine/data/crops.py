"""Which part of a photograph is seen, from numbers drawn elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image

Box = tuple[int, int, int, int]

AREA = (0.08, 1.0)
RATIO = (3 / 4, 4 / 3)
ATTEMPTS = 10
DRAWS_PER_ATTEMPT = 4
#: Validation images are scaled so that the crop is 224 of 256 (Krizhevsky et al. 2012).
RESIZE_RATIO = 256 / 224


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


def middle_of_resized(image: Image.Image, side: int) -> Image.Image:
    """The shorter side scaled to 256/224 of `side`, and the middle square of `side` taken."""
    scale = round(side * RESIZE_RATIO) / min(image.size)
    width, height = (max(side, round(length * scale)) for length in image.size)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop(_placed(round((width - side) / 2), round((height - side) / 2), side, side))


def _middle_box(width: int, height: int) -> Box:
    w, h = width, height
    if width / height < RATIO[0]:
        h = max(1, round(width / RATIO[0]))
    elif width / height > RATIO[1]:
        w = max(1, round(height * RATIO[1]))
    return _placed((width - w) // 2, (height - h) // 2, w, h)


def _placed(left: int, top: int, width: int, height: int) -> Box:
    return left, top, left + width, top + height
