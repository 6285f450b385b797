"""The datasets that a run can name, with the facts that can be known without reading them."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum


class DatasetName(StrEnum):
    DIGITS = "digits"
    CIFAR10 = "cifar10"
    CIFAR100 = "cifar100"
    IMAGENET = "imagenet"
    IMAGENETTE = "imagenette"
    IMAGEFOLDER = "imagefolder"


@dataclass(frozen=True)
class DatasetFacts:
    """`None` where only the files can tell. Images are counted, `side` is in pixels."""

    title: str
    train_images: int | None
    val_images: int | None
    classes: int | None
    side: int | None
    flip: bool
    needs_data_dir: bool


# digits: 1,797 scans of the UCI test set of handwritten digits, as scikit-learn ships them; the split is fixed.
DATASETS: dict[DatasetName, DatasetFacts] = {
    DatasetName.DIGITS: DatasetFacts("Handwritten digits", 1437, 360, 10, 32, False, False),
    DatasetName.CIFAR10: DatasetFacts("CIFAR-10", 50_000, 10_000, 10, 32, True, True),
    DatasetName.CIFAR100: DatasetFacts("CIFAR-100", 50_000, 10_000, 100, 32, True, True),
    DatasetName.IMAGENET: DatasetFacts("ImageNet (ILSVRC 2012)", 1_281_167, 50_000, 1000, None, True, True),
    DatasetName.IMAGENETTE: DatasetFacts("Imagenette", 9_469, 3_925, 10, None, True, True),
    DatasetName.IMAGEFOLDER: DatasetFacts("Folder of images", None, None, None, None, True, True),
}

#: Those whose data_dir holds train/ and val/ with one folder for each class.
CLASS_FOLDERS = frozenset({DatasetName.IMAGENET, DatasetName.IMAGENETTE, DatasetName.IMAGEFOLDER})

#: What data_dir holds for those that are kept as torchvision unpacks them.
UNPACKED = {DatasetName.CIFAR10: "cifar-10-batches-py", DatasetName.CIFAR100: "cifar-100-python"}

IMAGENET_SIDE = 224


def default_image_size(name: DatasetName) -> int:
    """Side of the training image in pixels where the configuration leaves it open."""
    return DATASETS[name].side or IMAGENET_SIDE


def remedy_by_content(found: Container[str]) -> str:
    """What to do about a data_dir without class folders in which `found` lies; empty where that says nothing."""
    kind = next((name for name, folder in UNPACKED.items() if folder in found), None)
    return "" if kind is None else f"; it holds {UNPACKED[kind]}, so take dataset {kind.value}"


def default_flip(name: DatasetName) -> bool:
    return DATASETS[name].flip
