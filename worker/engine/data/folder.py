"""Folders of images, `train/` and `val/` with one folder for each class, as ImageNet is kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from worker.contract.datasets import DatasetName
from worker.engine.data.crops import Box, middle_of_resized, random_box
from worker.engine.data.errors import DataError, existing_folder
from worker.engine.data.images import Augmentation, Batch, Dataset, Indices
from worker.engine.keys import uniforms

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
DRAWS_PER_IMAGE = 41
SHOWN = 3


def load(*, data_dir: str, side: int) -> Dataset:
    """Lists the files and reads none. Raises DataError where the folders are not as they should be."""
    root = existing_folder(data_dir)
    train_classes, val_classes = _classes(root, "train"), _classes(root, "val")
    if train_classes != val_classes:
        raise DataError(_difference(root, set(train_classes), set(val_classes)))
    if len(train_classes) < 2:
        raise DataError(f"{root / 'train'} has {len(train_classes)} class folders; it takes two or more to tell apart")
    train = FolderImages.listed(root / "train", train_classes, side=side)
    val = FolderImages.listed(root / "val", val_classes, side=side)
    fingerprint = hashlib.sha256((train.fingerprint() + val.fingerprint()).encode()).hexdigest()
    return Dataset(DatasetName.IMAGEFOLDER.value, train, val, tuple(train_classes), MEAN, STD, fingerprint)


class FolderImages:
    """Images by their index in the sorted list of class folders and files below `root`."""

    def __init__(self, root: Path, names: list[str], labels: list[int], *, side: int) -> None:
        self.root = root
        # One array instead of a million strings, whose reference counts would make loader processes copy their pages.
        self._names = np.array([os.fsencode(name) for name in names])
        self._labels = np.array(labels, dtype=np.int64)
        self._side = side

    @classmethod
    def listed(cls, root: Path, classes: list[str], *, side: int) -> FolderImages:
        names: list[str] = []
        labels: list[int] = []
        for label, folder in enumerate(classes):
            found = _images_below(root / folder)
            if not found:
                raise DataError(f"{root / folder} holds no images ({', '.join(EXTENSIONS)})")
            names += [f"{folder}/{name}" for name in found]
            labels += [label] * len(found)
        return cls(root, names, labels, side=side)

    def __len__(self) -> int:
        return len(self._labels)

    def fingerprint(self) -> str:
        return hashlib.sha256(b"\0".join(self._names.tolist()) + self._labels.tobytes()).hexdigest()

    def plain(self, indices: Indices) -> Batch:
        """The shorter side scaled to 256/224 of the crop, and its middle."""
        return self._batch(indices, [lambda image: middle_of_resized(image, self._side)] * len(indices))

    def augmented(self, indices: Indices, *, epoch: int, augmentation: Augmentation) -> Batch:
        """A random part of the image, scaled to the side (Szegedy et al. 2015), and half of them mirrored."""
        draws = uniforms(indices, DRAWS_PER_IMAGE, "augment", augmentation.seed, epoch)
        return self._batch(indices, [self._random_view(row.tolist(), flip=augmentation.flip) for row in draws])

    def _random_view(self, draws: list[float], *, flip: bool) -> Callable[[Image.Image], Image.Image]:
        def view(image: Image.Image) -> Image.Image:
            box: Box = random_box(image.width, image.height, draws[1:])
            cropped = image.crop(box).resize((self._side, self._side), Image.Resampling.BILINEAR)
            return cropped.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip and draws[0] < 0.5 else cropped

        return view

    def _batch(self, indices: Indices, views: list[Callable[[Image.Image], Image.Image]]) -> Batch:
        pixels = np.empty((len(indices), self._side, self._side, 3), dtype=np.uint8)
        for row, (index, view) in enumerate(zip(indices, views, strict=True)):
            pixels[row] = np.asarray(view(self._read(int(index))))
        labels = torch.from_numpy(self._labels[indices])
        return Batch(torch.from_numpy(pixels).permute(0, 3, 1, 2), labels, torch.from_numpy(indices))

    def _read(self, index: int) -> Image.Image:
        path = self.root / os.fsdecode(self._names[index])
        try:
            with Image.open(path) as image:
                return image.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"{path} cannot be read as an image ({error}); replace or remove it") from error


def _classes(root: Path, split: str) -> list[str]:
    folder = root / split
    if not folder.is_dir():
        raise DataError(
            f"data_dir {root} has no folder {split}/; imagefolder expects train/ and val/ with class folders"
        )
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def _images_below(folder: Path) -> list[str]:
    found = []
    for parent, _, files in os.walk(folder, followlinks=True):
        below = os.path.relpath(parent, folder)
        images = [name for name in files if name.lower().endswith(EXTENSIONS)]
        found += images if below == "." else [f"{below}/{name}" for name in images]
    return sorted(found)


def _difference(root: Path, train: set[str], val: set[str]) -> str:
    sides = [("train/", train - val), ("val/", val - train)]
    told = [f"only {side} has {', '.join(sorted(names)[:SHOWN])}" for side, names in sides if names]
    return f"the classes of train/ and val/ in {root} differ: {'; '.join(told)}; make them the same"
