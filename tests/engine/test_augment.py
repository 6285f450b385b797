"""What is done to batches on the device, copies of a smaller side, and ways from a loader process."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from tests.engine.parts import differences, final_state, run_to_end, tiny
from worker.contract.config import RunConfig
from worker.engine.augment import Augment, flipped, jittered
from worker.engine.data import digits, shared_memory
from worker.engine.data.errors import DataError, DataUnreadable
from worker.engine.data.images import Batch, Normalise
from worker.engine.data.open import cached_as_asked, list_images, open_dataset

IMAGES = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (4, 3, 12, 12), dtype=np.uint8))


@pytest.mark.parametrize("factors", [(1.3, 0.7, 1.4), (0.6, 1.4, 0.6), (1.0, 1.0, 1.0)])
def test_colours_are_jittered_as_torchvision_does_it(factors: tuple[float, float, float]) -> None:
    brightness, contrast, saturation = factors
    ours = jittered(IMAGES.float(), torch.tensor([factors]).expand(4, 3))
    for image, changed in zip(IMAGES.float() / 255, ours, strict=True):
        theirs = functional.adjust_brightness(image, brightness)
        theirs = functional.adjust_contrast(theirs, contrast)
        theirs = functional.adjust_saturation(theirs, saturation)
        assert torch.allclose(changed / 255, theirs, atol=2e-4)


def test_only_the_chosen_images_are_mirrored() -> None:
    mirrored = flipped(IMAGES, torch.tensor([True, False, False, True]))
    assert torch.equal(mirrored[0], IMAGES[0].flip(-1))
    assert torch.equal(mirrored[1:3], IMAGES[1:3])


def augmented(config: RunConfig, rows: list[int]) -> torch.Tensor:
    batch = Batch(IMAGES[rows], torch.zeros(len(rows), dtype=torch.int64), torch.tensor(rows))
    images, _ = Augment(config, open_dataset(tiny()), torch.device("cpu")).training(batch, epoch=1, step=5)
    return images


def test_an_image_looks_the_same_in_any_batch() -> None:
    config = tiny(color_jitter=0.4, flip=True)
    whole, part = augmented(config, [0, 1, 2, 3]), augmented(config, [2, 0])
    assert torch.allclose(part, whole[[2, 0]], atol=1e-5)
    assert not torch.allclose(whole, augmented(tiny(flip=False), [0, 1, 2, 3]))


def test_mixup_blends_neighbours() -> None:
    plain, mixed = (augmented(tiny(flip=False, mixup=mixup), [0, 1, 2, 3]) for mixup in (0.0, 0.2))
    shares = (mixed - plain.roll(1, 0)) / (plain - plain.roll(1, 0))
    share = shares.flatten().nanmedian()
    assert 0.0 < share < 1.0
    assert torch.allclose(mixed, share * plain + (1 - share) * plain.roll(1, 0), atol=1e-4)


def test_batches_go_through_a_pipe_where_shared_memory_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(loader_workers=1, epochs=1)
    shared = run_to_end(config, tmp_path / "shared")
    monkeypatch.setattr(shared_memory, "LOADERS", 10**9)
    piped = run_to_end(config, tmp_path / "piped")
    (notice,) = [notice for notice in piped.notices if "/dev/shm" in notice]
    assert "batches go through a pipe instead" in notice
    assert piped.history() == shared.history()
    assert differences(final_state(tmp_path / "piped"), final_state(tmp_path / "shared")) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    for split in ("train", "val"):
        for label in ("a", "b"):
            (root / split / label).mkdir(parents=True)
            for number in range(4):
                pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
                image = Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC)
                image.save(root / split / label / f"{number}.jpg", quality=95)
    return root


def config_of(folder: Path, cache_side: int | None) -> RunConfig:
    settings = {"dataset": "imagefolder", "data_dir": str(folder), "image_size": 32, "batch": 4}
    return RunConfig.model_validate(settings | {"cache_side": cache_side})


def test_copies_are_smaller_told_of_and_other_data(folder: Path) -> None:
    originals, copies = (open_dataset(config_of(folder, side)) for side in (None, 64))
    assert originals.fingerprint != copies.fingerprint
    assert any("different data from the originals" in notice for notice in copies.notices)
    written = list((folder / ".resdrop-cache").rglob("*.jp*g"))
    assert len(written) == 8
    for path in written:
        assert min(Image.open(io.BytesIO(path.read_bytes())).size) == 64
    one, other = (dataset.train.plain(np.arange(8)).images.float() for dataset in (originals, copies))
    assert 0 < (one - other).abs().mean() < 6
    assert torch.equal(originals.val.plain(np.arange(8)).images, copies.val.plain(np.arange(8)).images)


def test_copies_are_made_once(folder: Path) -> None:
    open_dataset(config_of(folder, 64))
    before = {path: path.stat().st_mtime_ns for path in (folder / ".resdrop-cache").rglob("*.jp*g")}
    open_dataset(config_of(folder, 64))
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_what_took_an_originals_place_is_copied_and_a_lost_copy_made_again(folder: Path) -> None:
    seen = open_dataset(config_of(folder, 64)).train.plain(np.arange(8)).images
    kept = folder / ".resdrop-cache" / "64" / "train" / "b" / "1.jpg"
    written = kept.stat().st_ctime_ns
    (folder / "new.jpg").write_bytes((folder / "train" / "a" / "3.jpg").read_bytes())
    (folder / "new.jpg").replace(folder / "train" / "a" / "0.jpg")
    (folder / ".resdrop-cache" / "64" / "train" / "b" / "2.jpg").unlink()
    now = open_dataset(config_of(folder, 64)).train.plain(np.arange(8)).images
    assert torch.equal(now[0], seen[3])
    assert torch.equal(now[1:], seen[1:])
    assert kept.stat().st_ctime_ns == written


def test_copies_that_are_whole_need_nothing_to_be_written(folder: Path) -> None:
    """As on a disk that is mounted read-only: the lock could not even be opened there."""
    open_dataset(config_of(folder, 64))
    lock = folder / ".resdrop-cache" / "64" / "lock"
    lock.unlink()
    lock.mkdir()
    assert open_dataset(config_of(folder, 64)).train.plain(np.arange(8)).damaged == ()


def test_an_original_that_is_gone_by_now_is_named_and_not_the_place_of_the_copies(folder: Path) -> None:
    dataset = list_images(config_of(folder, 64))
    (folder / "train" / "a" / "3.jpg").unlink()
    with pytest.raises(DataUnreadable, match=r"train/a/3\.jpg cannot be read \(No such file or directory\)"):
        cached_as_asked(dataset, config_of(folder, 64))


def test_a_link_that_leads_nowhere_has_no_copy(folder: Path) -> None:
    (folder / "train" / "a" / "9.jpg").symlink_to(folder / "nowhere")
    dataset = open_dataset(config_of(folder, 64))
    assert len(dataset.train) == 8
    assert "1 link to nothing" in dataset.notices[0]


def test_a_place_that_cannot_be_written_to_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a file").touch()
    monkeypatch.setenv("RESDROP_CACHE", str(folder / "a file"))
    with pytest.raises(DataError, match=r"cache_side 64 cannot be written to .*set RESDROP_CACHE"):
        open_dataset(config_of(folder, 64))


def test_bytes_are_normalised_as_their_floats_are() -> None:
    dataset = digits.load(side=8)
    images = dataset.train.plain(np.arange(16)).images
    mean, std = (torch.tensor(of).view(1, 3, 1, 1) * 255.0 for of in (dataset.mean, dataset.std))
    assert torch.equal(Normalise(dataset, torch.device("cpu"))(images), (images.float() - mean) * (1.0 / std))
