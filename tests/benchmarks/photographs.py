"""JPEG files as ImageNet has them: about 110 KB at 500 x 375 pixels, cut from scikit-learn's two photographs.

Where scikit-learn is not, they are cut from soft noise: a decoder's work goes by the bytes and pixels.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 500, 375
#: ImageNet's mean.
MEAN_BYTES = 110_000
TRIED_ON = 16


def write_class_folders(root: Path, *, images: int, val: int = 2, seed: int = 0) -> None:
    """`train` and `val` with two classes; no two files are equal."""
    draws = np.random.default_rng(seed)
    views = [_view(photograph, draws) for photograph in _photographs(images + val)]
    quality = _quality(views[:TRIED_ON])
    for number, view in enumerate(views):
        part = "train" if number < images else "val"
        folder = root / part / f"class-{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:05d}.jpg").write_bytes(_encoded(view, quality))


def _photographs(count: int) -> list[np.ndarray]:
    try:
        from sklearn.datasets import load_sample_images

        photographs = load_sample_images().images
    except ImportError:
        photographs = [_soft_noise(seed) for seed in range(2)]
    return [photographs[number % len(photographs)] for number in range(count)]


def _soft_noise(seed: int) -> np.ndarray:
    """As large as scikit-learn's photographs."""
    coarse = np.random.default_rng(seed).integers(0, 256, (27, 40, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((640, 427), Image.Resampling.BICUBIC))


def _view(photograph: np.ndarray, draws: np.random.Generator) -> Image.Image:
    """A part of 60 to 100 percent of either side, mirrored or not, with the grain of a sensor."""
    height, width = photograph.shape[:2]
    share = draws.uniform(0.6, 1.0)
    w, h = int(width * share), int(height * share)
    left, top = draws.integers(0, width - w + 1), draws.integers(0, height - h + 1)
    part = photograph[top : top + h, left : left + w]
    part = part[:, ::-1] if draws.random() < 0.5 else part
    pixels = np.asarray(Image.fromarray(np.ascontiguousarray(part)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    grain = draws.normal(0.0, 3.0, pixels.shape)
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))


def _quality(views: list[Image.Image]) -> int:
    """At which files are nearest to ImageNet's mean size."""

    def distance(quality: int) -> float:
        return abs(np.mean([len(_encoded(view, quality)) for view in views]) - MEAN_BYTES)

    return min(range(70, 100, 2), key=distance)


def _encoded(view: Image.Image, quality: int) -> bytes:
    content = io.BytesIO()
    view.save(content, "JPEG", quality=quality)
    return content.getvalue()
