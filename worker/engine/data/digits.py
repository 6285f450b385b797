"""The 1,797 handwritten digits that scikit-learn ships: real scans, no download."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt

from worker.contract.datasets import DATASETS, DatasetName
from worker.engine.data.errors import DataError
from worker.engine.data.images import Dataset, Indices
from worker.engine.data.memory import ImagesInMemory, Pixels, resized
from worker.engine.keys import seed_of

BRIGHTEST = 16
EVERY_FIFTH = 5


def load(*, side: int) -> Dataset:
    """Upscaled from 8x8; every fifth image of each class, in a fixed shuffled order, is for validation."""
    scans, labels = _scans()
    is_val = validation_mask(labels)
    pixels = resized(scans, side)
    train = ImagesInMemory(pixels[~is_val], labels[~is_val], side=side)
    val = ImagesInMemory(pixels[is_val], labels[is_val], side=side)
    facts = DATASETS[DatasetName.DIGITS]
    assert (len(train), len(val)) == (facts.train_images, facts.val_images)
    mean, std = float(train.pixels.mean()) / 255, float(train.pixels.std()) / 255
    return Dataset(
        name=DatasetName.DIGITS.value,
        train=train,
        val=val,
        classes=tuple(str(digit) for digit in range(10)),
        mean=(mean, mean, mean),
        std=(std, std, std),
        fingerprint=hashlib.sha256(scans.tobytes() + labels.tobytes()).hexdigest(),
    )


def validation_mask(labels: Indices) -> npt.NDArray[np.bool_]:
    """Stratified and independent of any seed: images are sorted by class, then by a hash of their index."""
    order = sorted(range(len(labels)), key=lambda index: (int(labels[index]), seed_of("digits split", index)))
    mask = np.zeros(len(labels), dtype=np.bool_)
    mask[order[::EVERY_FIFTH]] = True
    return mask


def _scans() -> tuple[Pixels, Indices]:
    rows = _rows()
    pixels = np.rint(rows[:, :-1] * (255 / BRIGHTEST)).astype(np.uint8)
    return pixels.reshape(-1, 1, 8, 8), rows[:, -1].astype(np.int64)


def _rows() -> npt.NDArray[np.float64]:
    """64 brightnesses of 0-16 and the digit, from scikit-learn's own file: importing it would take seconds."""
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError("dataset digits comes with scikit-learn, which is missing; pip install scikit-learn")
    path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    try:
        return np.loadtxt(path, delimiter=",")
    except OSError as error:
        raise DataError(f"scikit-learn's digits are not at {path}; install scikit-learn again") from error
