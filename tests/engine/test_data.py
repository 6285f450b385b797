from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import center_crop, resize

from tests.engine.parts import tiny
from worker.engine.data import digits
from worker.engine.data.crops import middle_of_resized, random_box
from worker.engine.data.errors import DataError
from worker.engine.data.images import Augmentation, Batch, Images
from worker.engine.data.loader import batches
from worker.engine.data.memory import ImagesInMemory, cropped
from worker.engine.data.open import open_dataset
from worker.engine.data.order import TrainingOrder, in_order, sample

NO_CHANGE = Augmentation(seed=0, crop_padding=0)


def test_the_split_of_digits_is_fixed_disjoint_and_stratified() -> None:
    dataset = digits.load(side=8)
    assert (len(dataset.train), len(dataset.val)) == (1437, 360)
    assert dataset.fingerprint == digits.load(side=8).fingerprint
    labels = dataset.val.plain(np.arange(360)).labels
    assert torch.bincount(labels).min() >= 34
    assert torch.bincount(labels).max() <= 38


def test_no_digit_is_in_both_splits() -> None:
    labels = np.arange(1797) % 10
    mask = digits.validation_mask(labels)
    assert mask.sum() == 360
    assert np.array_equal(mask, digits.validation_mask(labels))


def test_digits_are_shown_as_three_channels_at_the_asked_side() -> None:
    batch = digits.load(side=32).train.plain(np.arange(4))
    assert batch.images.shape == (4, 3, 32, 32)
    assert batch.images.dtype == torch.uint8
    assert batch.images.max() > 200
    assert torch.equal(batch.images[:, 0], batch.images[:, 2])


@pytest.mark.parametrize("augmentation", [NO_CHANGE, Augmentation(seed=0, crop_padding=4)])
def test_digits_can_be_copied_into_pinned_memory(augmentation: Augmentation) -> None:
    images = digits.load(side=32).train.augmented(np.arange(4), epoch=0, augmentation=augmentation).images
    # As Tensor.pin_memory does it, which needs a GPU: into memory of its own with the same strides.
    pinned = torch.empty_strided(images.shape, images.stride(), dtype=images.dtype)
    assert torch.equal(pinned.copy_(images), images)


def test_every_epoch_is_a_new_permutation_without_its_last_partial_batch() -> None:
    order = TrainingOrder(images=10, batch=3, seed=0)
    assert order.steps_per_epoch == 3
    requests = list(order.requests(0, 6))
    first, second = (np.concatenate([r.indices for r in requests[e : e + 3]]) for e in (0, 3))
    assert len(set(first.tolist())) == 9
    assert [request.epoch for request in requests] == [0, 0, 0, 1, 1, 1]
    assert first.tolist() != second.tolist()


def test_the_order_can_be_entered_at_any_step() -> None:
    order = TrainingOrder(images=100, batch=7, seed=5)
    whole = list(order.requests(0, 40))
    for start in (1, 13, 14, 15, 39):
        for entered, expected in zip(order.requests(start, 40), whole[start:], strict=True):
            assert (entered.epoch, entered.indices.tolist()) == (expected.epoch, expected.indices.tolist())


def test_a_late_step_is_reached_without_walking_to_it() -> None:
    order = TrainingOrder(images=1_281_167, batch=256, seed=0)
    request = next(order.requests(order.steps_per_epoch * 80 + 1234, order.steps_per_epoch * 90))
    assert request.epoch == 80


@pytest.mark.parametrize("batch", [1, 7, 360, 1000])
def test_validation_counts_every_image_once(batch: int) -> None:
    seen = np.concatenate([request.indices for request in in_order(360, batch=batch)])
    assert seen.tolist() == list(range(360))


def test_batch_norm_is_taken_over_different_images_and_no_more_than_there_are() -> None:
    requests = sample(100, batch=30, batches=20, seed=0, epoch=0)
    assert len(requests) == 3
    assert len({index for request in requests for index in request.indices.tolist()}) == 90
    assert all(request.epoch is None for request in requests)


def fetched(images: Images, *, workers: int, augmentation: Augmentation) -> list[Batch]:
    requests = TrainingOrder(images=len(images), batch=100, seed=1).requests(0, 5)
    return list(batches(images, requests, augmentation=augmentation, workers=workers))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_loader_workers_changes_nothing(workers: int) -> None:
    images = digits.load(side=8).train
    augmentation = Augmentation(seed=1, crop_padding=2)
    alone = fetched(images, workers=0, augmentation=augmentation)
    beside = fetched(images, workers=workers, augmentation=augmentation)
    assert len(alone) == 5
    for one, other in zip(alone, beside, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.indices, other.indices)


def test_a_batch_names_its_images_by_their_index() -> None:
    asked = np.array([7, 3, 11])
    augmentation = Augmentation(seed=1, crop_padding=2)
    for batch in (numbered(20).plain(asked), numbered(20).augmented(asked, epoch=0, augmentation=augmentation)):
        assert batch.indices.tolist() == batch.labels.tolist() == [7, 3, 11]


def numbered(count: int, side: int = 6) -> ImagesInMemory:
    pixels = np.arange(count * 3 * side * side).reshape(count, 3, side, side) % 251 + 1
    return ImagesInMemory(pixels.astype(np.uint8), np.arange(count), side=side)


def test_an_image_is_augmented_the_same_in_any_batch_and_anew_in_each_epoch() -> None:
    images, augmentation = numbered(50), Augmentation(seed=0, crop_padding=2)
    whole = images.augmented(np.arange(50), epoch=3, augmentation=augmentation)
    alone = images.augmented(np.array([17]), epoch=3, augmentation=augmentation)
    assert torch.equal(whole.images[17], alone.images[0])
    later = images.augmented(np.arange(50), epoch=4, augmentation=augmentation)
    assert not torch.equal(whole.images, later.images)


def test_augmentation_leaves_the_stored_images_alone() -> None:
    images = numbered(20)
    before = images.pixels.copy()
    images.augmented(np.arange(20), epoch=0, augmentation=NO_CHANGE)
    assert np.array_equal(images.pixels, before)


def test_crops_shift_by_up_to_the_padding_and_fill_with_black() -> None:
    pixels = np.full((3, 1, 4, 4), 9, dtype=np.uint8)
    draws = np.array([[0.0, 0.0], [0.5, 0.5], [0.999, 0.999]])
    top_left, middle, bottom_right = cropped(pixels, draws, padding=2)[:, 0]
    assert middle.tolist() == [[9] * 4] * 4
    assert top_left.tolist() == [[0, 0, 0, 0]] * 2 + [[0, 0, 9, 9]] * 2
    assert bottom_right.tolist() == [[9, 9, 0, 0]] * 2 + [[0, 0, 0, 0]] * 2


def test_other_sides_are_resized() -> None:
    images = ImagesInMemory(np.full((2, 3, 6, 6), 77, dtype=np.uint8), np.arange(2), side=9)
    assert images.plain(np.arange(2)).images.unique().tolist() == [77]
    assert images.plain(np.arange(2)).images.shape == (2, 3, 9, 9)


@pytest.mark.parametrize(("width", "height"), [(500, 375), (375, 500), (1, 1), (2000, 10), (10, 2000)])
def test_random_crops_lie_inside_the_image(width: int, height: int) -> None:
    for row in np.random.default_rng(0).random((50, 40)):
        left, top, right, bottom = random_box(width, height, row.tolist())
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def folder_of_images(root: Path, **classes: int) -> Path:
    """Images of random noise; the number of training images by class, and one for validation."""
    noise = np.random.default_rng(0)
    for name, count in classes.items():
        for split, images in (("train", count), ("val", 1)):
            (root / split / name).mkdir(parents=True)
            for index in range(images):
                pixels = noise.integers(0, 255, (20, 30, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{index}.png")
    return root


def opened(root: Path, **changes: Any) -> Any:
    settings: dict[str, Any] = {"dataset": "imagefolder", "data_dir": str(root), "batch": 4, "image_size": 16}
    return open_dataset(tiny(**settings | changes))


@pytest.mark.parametrize("size", [(500, 375), (640, 427), (333, 500), (480, 321), (463, 347), (100, 61), (1, 5)])
def test_validation_sees_what_torchvisions_resize_and_centre_crop_show(size: tuple[int, int]) -> None:
    coarse = np.random.default_rng(sum(size)).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    theirs = np.asarray(center_crop(resize(image, 256), [224, 224])).astype(np.int64)  # type: ignore[arg-type]
    ours = middle_of_resized(torch.from_numpy(np.array(image)).permute(2, 0, 1), 224).permute(1, 2, 0)
    assert np.abs(ours.numpy().astype(np.int64) - theirs).mean() <= 0.05


def test_folders_are_read_in_sorted_order_with_their_class_as_label(tmp_path: Path) -> None:
    dataset = opened(folder_of_images(tmp_path, dog=2, cat=3))
    assert dataset.classes == ("cat", "dog")
    assert dataset.train.plain(np.arange(5)).labels.tolist() == [0, 0, 0, 1, 1]
    batch = dataset.train.augmented(np.arange(5), epoch=0, augmentation=Augmentation(0, crop_padding=0))
    assert batch.images.shape == (5, 3, 16, 16)


def test_folder_images_are_augmented_by_their_key_alone(tmp_path: Path) -> None:
    dataset = opened(folder_of_images(tmp_path, dog=2, cat=3))
    augmentation = Augmentation(0, crop_padding=0)
    together = dataset.train.augmented(np.arange(5), epoch=1, augmentation=augmentation).images
    alone = dataset.train.augmented(np.array([3]), epoch=1, augmentation=augmentation).images
    other_epoch = dataset.train.augmented(np.array([3]), epoch=2, augmentation=augmentation).images
    assert torch.equal(together[3], alone[0])
    assert not torch.equal(alone, other_epoch)


def test_validation_takes_the_middle_of_a_folder_image(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            image = Image.new("RGB", (70, 35), "red")
            image.paste("blue", (20, 5, 50, 30))
            for index in range(2):
                image.save(tmp_path / split / name / f"{index}.png")
    (seen,) = opened(tmp_path).val.plain(np.array([0])).images
    assert seen[:, 8, 8].tolist() == [0, 0, 255]


def without(path: str) -> Any:
    return lambda root: [entry.unlink() for entry in (root / path).glob("*")] and (root / path).rmdir()


def emptied(path: str) -> Any:
    return lambda root: [entry.unlink() for entry in (root / path).glob("*")]


@pytest.mark.parametrize(
    ("damage", "changes", "complaint"),
    [
        (None, {"data_dir": "/nowhere/at/all"}, "data_dir /nowhere/at/all does not exist"),
        (None, {"batch": 40}, r"batch 40 exceeds the 5 images of .*train; lower it to 5 or less"),
        (lambda root: (root / "train").rename(root / "training"), {}, "has no folder train/"),
        (lambda root: (root / "val").rename(root / "validation"), {}, "has no folder val/"),
        (without("val/cat"), {}, "differ: only train/ has cat; make them the same"),
        (without("train/cat"), {}, "differ: only val/ has cat"),
        (lambda root: [without(f"{split}/cat")(root) for split in ("train", "val")], {}, "train has 1 class folders"),
        (emptied("train/cat"), {}, "train/cat holds no images"),
        (
            lambda root: [(root / "train").rename(root / "t"), (root / "cifar-100-python").mkdir()],
            {},
            "has no folder train/.* it holds cifar-100-python, so take dataset cifar100",
        ),
        (None, {"dataset": "cifar10"}, "has no folder cifar-10-batches-py; download"),
        (lambda root: (root / "cifar-100-python").mkdir(), {"dataset": "cifar100"}, "is damaged or not whole"),
    ],
)
def test_wrong_folders_are_refused_with_the_remedy(
    tmp_path: Path, damage: Any, changes: dict[str, Any], complaint: str
) -> None:
    root = folder_of_images(tmp_path, dog=2, cat=3)
    if damage:
        damage(root)
    with pytest.raises(DataError, match=complaint):
        opened(root, **changes)


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is not a folder"):
        opened(tmp_path / "file")


def test_missing_scikit_learn_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(DataError, match="pip install scikit-learn"):
        digits.load(side=8)
