"""Folders of images, `train/` and `val/` with one folder for each class, as ImageNet is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from worker.contract.datasets import DatasetName
from worker.engine.data.crops import middle_of_resized, random_box, view_of_box
from worker.engine.data.decode import decode_rgb, is_faint
from worker.engine.data.errors import DataUnreadable, Undecodable, existing_folder, shown_path
from worker.engine.data.images import UNREADABLE, Augmentation, Batch, Dataset, Indices, Originals
from worker.engine.data.listing import LeftOut, Listing, listed, shared_classes
from worker.engine.data.reading import read_bytes
from worker.engine.keys import uniform, uniforms

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
DRAWS_PER_IMAGE = 40
#: How many damaged files in a row are bad luck; more are a damaged folder.
SUBSTITUTES = 16
GREY = 128
FAINT = "uses less than 1/16 of the range of its 12 or 16 bits and is seen as nearly one shade"
FAINT_REMEDY = "stretch its numbers over the range, or convert it to 8 bits"

View = Callable[[int, Tensor], Tensor]


def load(name: DatasetName, *, data_dir: str, side: int) -> Dataset:
    """Lists the files and reads none. Raises DataError where the folders are not as they should be."""
    root = existing_folder(data_dir)
    classes = shared_classes(root)
    left_out = {split: LeftOut() for split in ("train", "val")}
    train, val = (listed(root / split, classes, noted) for split, noted in left_out.items())
    return Dataset(
        name=name.value,
        train=FolderImages(train, side=side, substitutes=True),
        val=FolderImages(val, side=side, substitutes=False),
        classes=tuple(classes),
        mean=MEAN,
        std=STD,
        fingerprint=hashlib.sha256((train.fingerprint() + val.fingerprint()).encode()).hexdigest(),
        notices=tuple(noted.sentence(split) for split, noted in left_out.items() if noted.kinds),
    )


class FolderImages:
    """Images by their index in the sorted list of class folders and files.

    A file that cannot be decoded is replaced by another image, always the same in one epoch of one seed, where
    `substitutes` is on, as for training. For an evaluation, which is about these very images, it stays what it is: an
    image that no network guesses. A file that cannot be read raises DataUnreadable.

    `faint_originals` are of copies, by index, whose original is faint, which no copy shows any more.
    """

    def __init__(
        self, listing: Listing, *, side: int, substitutes: bool, faint_originals: Mapping[int, str] | None = None
    ) -> None:
        self.listing = listing
        self.side = side
        self._substitutes = substitutes
        self._faint_originals = faint_originals or {}

    def __len__(self) -> int:
        return len(self.listing)

    def plain(self, indices: Indices) -> Batch:
        """The shorter side scaled to 256/224 of the crop, and its middle."""
        return self._batch(indices, lambda _, image: middle_of_resized(image, self.side), key=())

    def augmented(self, indices: Indices, *, epoch: int, augmentation: Augmentation) -> Batch:
        """A random part of the image, scaled to the side (Szegedy et al. 2015)."""
        key = (augmentation.seed, epoch)
        draws = dict(zip(indices.tolist(), uniforms(indices, DRAWS_PER_IMAGE, "crop", *key).tolist(), strict=True))

        def view(index: int, image: Tensor) -> Tensor:
            if index not in draws:
                stand_in = torch.tensor([index]).numpy()
                draws[index] = uniforms(stand_in, DRAWS_PER_IMAGE, "crop", *key)[0].tolist()
            height, width = image.shape[1:]
            return view_of_box(image, random_box(width, height, draws[index]), self.side)

        return self._batch(indices, view, key=key)

    def originals(self, _indices: Indices) -> Originals:
        return Originals(names=self.listing.names, pixels=None)

    def _batch(self, indices: Indices, view: View, *, key: tuple[int, ...]) -> Batch:
        images = torch.empty(
            (len(indices), 3, self.side, self.side), dtype=torch.uint8, memory_format=torch.channels_last
        )
        shown = indices.copy()
        damaged: list[str] = []
        faint: list[str] = []
        unreadable = []
        for row, index in enumerate(indices.tolist()):
            found = self._first_whole(index, key, damaged, faint)
            if found is None:
                images[row] = GREY
                unreadable.append(row)
            else:
                shown[row], image = found
                images[row] = view(found[0], image)
        labels = torch.from_numpy(self.listing.labels[shown])
        labels[unreadable] = UNREADABLE
        return Batch(images, labels, torch.from_numpy(shown), tuple(damaged), tuple(faint))

    def _first_whole(
        self, index: int, key: tuple[int, ...], damaged: list[str], faint: list[str]
    ) -> tuple[int, Tensor] | None:
        """The first of the image and its substitutes that can be decoded, with its index."""
        for candidate in self._candidates(index, key):
            path = self.listing.path(candidate)
            try:
                content = read_bytes(path)
                image = decode_rgb(content)
            except Undecodable as reason:
                damaged.append(f"{shown_path(path)} cannot be decoded ({reason}); {self._consequence}")
                continue
            original = self._faint_originals.get(candidate)
            if original is not None or is_faint(content, image):
                faint.append(f"{shown_path(original or path)} {FAINT}; {FAINT_REMEDY}")
            return candidate, image
        if self._substitutes:
            raise DataUnreadable(
                f"{SUBSTITUTES + 1} images one after the other cannot be decoded, the last {shown_path(path)}; "
                f"{self.listing.root} is damaged, restore it, then resume"
            )
        return None

    @property
    def _consequence(self) -> str:
        return "another image takes its place" if self._substitutes else "it counts as guessed wrong"

    def _candidates(self, index: int, key: tuple[int, ...]) -> Iterator[int]:
        yield index
        if self._substitutes:
            for attempt in range(SUBSTITUTES):
                yield int(uniform("substitute", *key, index, attempt) * len(self))
