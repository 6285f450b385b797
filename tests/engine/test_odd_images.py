"""Files as they are found in folders of images: odd ones are read as Pillow reads them, damaged ones end nothing."""

from __future__ import annotations

import io
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.engine.parts import InterruptAfter, Recorder, attempt, run_to_end
from worker.contract.config import RunConfig
from worker.engine import reporter
from worker.engine.checkpoint import load, newest_first, save
from worker.engine.data import cache, decode, reading
from worker.engine.data.decode import decode_rgb, is_faint
from worker.engine.data.errors import DataUnreadable, Undecodable
from worker.engine.data.images import UNREADABLE, Augmentation
from worker.engine.data.open import open_dataset
from worker.engine.ports import NullControl, NullSink
from worker.engine.train_command import run as train_command
from worker.engine.trainer import train


def photograph(seed: int, *, width: int = 90, height: int = 70) -> Image.Image:
    """Smooth like a photograph, with all three channels different."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    held = io.BytesIO()
    image.save(held, form, **options)
    return held.getvalue()


def sixteen_bits() -> Image.Image:
    return Image.fromarray(np.asarray(photograph(1).convert("L")).astype(np.uint16) * 257)


TURNED = Image.Exif()
TURNED[0x0112] = 6  # orientation: turned by a quarter

SOUND: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encoded(photograph(1), "JPEG", quality=90),
    "progressive": lambda: encoded(photograph(1), "JPEG", progressive=True),
    "without subsampling": lambda: encoded(photograph(1), "JPEG", subsampling=0),
    "grey": lambda: encoded(photograph(1).convert("L"), "JPEG"),
    "CMYK": lambda: encoded(photograph(1).convert("CMYK"), "JPEG"),
    "png": lambda: encoded(photograph(1), "PNG"),
    "palette": lambda: encoded(photograph(1).quantize(16), "PNG"),
    "transparent": lambda: encoded(photograph(1).convert("RGBA"), "PNG"),
    "turned by EXIF": lambda: encoded(photograph(1), "JPEG", exif=TURNED),
    "webp": lambda: encoded(photograph(1), "WEBP", lossless=True),
    "animated": lambda: encoded(
        photograph(1).quantize(16), "GIF", save_all=True, append_images=[photograph(2).quantize(16)]
    ),
    "followed by a film": lambda: encoded(photograph(1), "JPEG") + b"film \xff\xda\x00\x04 film",
    "progressive and followed by a film": lambda: encoded(photograph(1), "JPEG", progressive=True) + b"\xff\xda film",
    "one pixel": lambda: encoded(photograph(1, width=1, height=1), "JPEG"),
}


@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_file_has_the_pixels_that_pillow_sees(kind: str) -> None:
    content = SOUND[kind]()
    with Image.open(io.BytesIO(content)) as image:
        seen = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode_rgb(bytearray(content)).permute(1, 2, 0).numpy(), seen)


def test_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    pixels = decode_rgb(bytearray(encoded(sixteen_bits(), "PNG")))
    assert np.array_equal(pixels[0].numpy(), np.asarray(photograph(1).convert("L")))


def grey() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """From black to white."""
    return np.arange(256, dtype=np.uint8).reshape(16, 16)


def tiff(pixels: np.ndarray[Any, Any], **tags: Any) -> bytes:
    """One strip of grey numbers as they stand in memory (TIFF 6.0), for kinds that Pillow reads and does not write."""
    bits = tags.get("bits", 8 * pixels.dtype.itemsize)
    content = tags.get("content", pixels.astype(pixels.dtype.newbyteorder("<")).tobytes())
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    height, width = pixels.shape
    entries = [(256, width), (257, height), (258, bits), (259, 1), (262, tags.get("photometric", 1))]
    entries += [(273, 8 + 2 + 12 * 10 + 4), (277, 1), (278, height), (279, len(content)), (339, kind)]
    packed = b"".join(struct.pack("<HHII", number, 4, 1, value) for number, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", 0) + content


def twelve_bits() -> bytes:
    """Two numbers in three bytes, each 16 times the grey."""
    numbers = (grey().astype(np.uint16) << 4).ravel()
    text = "".join(f"{number:012b}" for number in numbers)
    packed = bytes(int(text[place : place + 8], 2) for place in range(0, len(text), 8))
    return tiff(grey().astype(np.uint16), bits=12, content=packed)


#: Each shows `grey()`, in numbers of another kind.
MODES: dict[str, Callable[[], bytes]] = {
    "fractions": lambda: tiff((grey() / 255).astype(np.float32)),
    "fractions in a portable float map": lambda: b"Pf\n16 16\n-1.0\n" + (grey()[::-1] / 255).astype("<f4").tobytes(),
    "12 bits": twelve_bits,
    "16 bits": lambda: tiff(grey().astype(np.uint16) * 257),
    "16 bits of which 0 is white": lambda: tiff((255 - grey()).astype(np.uint16) * 257, photometric=0),
    "8 bits of which 0 is white": lambda: tiff(255 - grey(), photometric=0),
    "16 bits of a PNG": lambda: encoded(Image.fromarray(grey().astype(np.uint16) * 257), "PNG"),
    "12 bits of a PGM": lambda: b"P5\n16 16\n4080\n" + (grey().astype(np.uint16) << 4).astype(">u2").tobytes(),
}


@pytest.mark.parametrize("kind", MODES)
def test_numbers_of_every_kind_are_scaled_by_what_they_mean(kind: str) -> None:
    pixels = decode_rgb(bytearray(MODES[kind]()))
    assert [np.array_equal(channel, grey()) for channel in pixels.numpy()] == [True] * 3


def deep(greatest: int, *, side: int = 16) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Numbers from 0 to `greatest`."""
    return np.linspace(0, greatest, side * side).astype(np.uint16).reshape(side, side)


FAINT = {
    "8 bits in 16": (lambda: encoded(Image.fromarray(deep(200)), "PNG"), True),
    "12 bits in 16": (lambda: encoded(Image.fromarray(deep(4095)), "PNG"), True),
    "12 bits in 16 of a TIFF": (lambda: tiff(deep(4095)), True),
    "12 bits in 16 of which 0 is white": (lambda: tiff(deep(4095), photometric=0), True),
    "12 bits in 16 of a PGM": (lambda: b"P5\n16 16\n65535\n" + deep(4095).astype(">u2").tobytes(), True),
    "a sixteenth and more": (lambda: encoded(Image.fromarray(deep(4096)), "PNG"), False),
    "all of it": (lambda: encoded(sixteen_bits(), "PNG"), False),
    "all of 12 bits": (twelve_bits, False),
    "black": (lambda: encoded(Image.fromarray(deep(0)), "PNG"), False),
    "a dark photograph of 8 bits": (lambda: encoded(photograph(1).point(lambda value: value // 32), "PNG"), False),
    "a dark JPEG": (lambda: encoded(photograph(1).point(lambda value: value // 32), "JPEG"), False),
}


@pytest.mark.parametrize("kind", FAINT)
def test_numbers_that_fill_little_of_their_range_are_known(kind: str) -> None:
    content, is_so = FAINT[kind]
    assert is_faint(bytearray(content()), decode_rgb(bytearray(content()))) is is_so


NO_WHITE = {
    "fractions beyond 1": (lambda: tiff(grey().astype(np.float32)), "fractions from 0 to 255, where 0 to 1 is read"),
    "no number": (lambda: tiff(np.full((4, 4), np.nan, np.float32)), "fractions from nan to nan"),
    "32 bits": (lambda: tiff(grey().astype(np.uint32)), "whole numbers with a sign or of 32 bits"),
    "8 bits with a sign": (lambda: tiff(grey().view(np.int8)), "convert it to 8 or 16 bits without a sign"),
    "nothing": (lambda: b"", "the file is empty"),
    "16 bits with a sign": (lambda: tiff(grey().astype(np.int16)), "convert it to 8 or 16 bits without a sign"),
}


@pytest.mark.parametrize("kind", NO_WHITE)
def test_numbers_whose_white_is_not_known_are_refused_by_name(kind: str) -> None:
    content, why = NO_WHITE[kind]
    with pytest.raises(Undecodable, match=why):
        decode_rgb(bytearray(content()))


def test_a_photograph_of_200_megapixels_is_read() -> None:
    """Pillow alone calls it a decompression bomb."""
    pixels = decode_rgb(bytearray(encoded(Image.new("L", (20_000, 10_000), 77), "JPEG")))
    assert (pixels.shape, int(pixels[0, 5_000, 5_000])) == ((3, 10_000, 20_000), 77)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_more_pixels_are_refused_with_the_limit_and_the_remedy(form: str) -> None:
    content = bytearray(encoded(Image.new("1", (17_000, 17_000)).convert("L" if form == "JPEG" else "1"), form))
    with pytest.raises(Undecodable, match=r"17,000 x 17,000 pixels, above the 268,435,456 that are read; make it sm"):
        decode_rgb(content)


def test_without_torchvisions_decoder_the_pixels_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is announced that it will go."""
    content = bytearray(SOUND["jpeg"]())
    assert decode.fast_jpeg_decoder() is not None
    fast = decode_rgb(content)
    monkeypatch.setattr(decode, "fast_jpeg_decoder", lambda: None)
    assert torch.equal(decode_rgb(content), fast)


WHOLE = SOUND["jpeg"]()
#: A photograph with a smaller one in a segment before it, as cameras leave it.
PICTURED = WHOLE[:2] + b"\xff\xe1" + (len(WHOLE) + 2).to_bytes(2, "big") + WHOLE + WHOLE[2:]
DAMAGED = {
    "cut short": WHOLE[: len(WHOLE) // 2],
    "empty": b"",
    "text": b"<html>not found</html>",
    "half of it zeros": WHOLE[: len(WHOLE) // 2] + bytes(len(WHOLE) // 2),
    "png cut short": SOUND["png"]()[:200],
    "cut short after its small picture": PICTURED[: len(PICTURED) - 200],
    "cut short in a later scan": SOUND["progressive"]()[:-200],
    "a PostScript program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n",
    "of more pixels than memory holds": SOUND["png"]()[:16] + b"\x7f\xff\xff\xff" * 2 + SOUND["png"]()[24:],
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_refused_and_never_shown_half(kind: str) -> None:
    with pytest.raises(Undecodable):
        decode_rgb(bytearray(DAMAGED[kind]))


def test_what_is_odd_beside_the_pixels_is_not_warned_of() -> None:
    damaged = encoded(photograph(1).convert("CMYK"), "JPEG", exif=TURNED.tobytes()[:20])
    assert torch.equal(decode_rgb(bytearray(damaged)), decode_rgb(bytearray(SOUND["CMYK"]())))


def test_whatever_is_done_to_a_file_it_is_decoded_or_refused() -> None:
    draws = np.random.default_rng(0)
    kinds = [kind() for kind in SOUND.values()]
    for form in ("TIFF", "BMP", "PPM", "DDS", "JPEG2000", "ICO"):
        kinds.append(encoded(photograph(1), form))
    refused = 0
    for _ in range(3_000):
        content = bytearray(kinds[draws.integers(len(kinds))])
        for _ in range(draws.integers(1, 6)):
            content[draws.integers(min(len(content), 300))] = draws.integers(256)
        try:
            decode_rgb(content)
        except Undecodable as why:
            refused += bool(str(why))
    assert 300 < refused < 3_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    for split, count in (("train", 12), ("val", 5)):
        for label in ("a", "b"):
            (root / split / label).mkdir(parents=True)
            for number in range(count):
                image = photograph(sum(map(ord, f"{split}{label}")) + number)
                (root / split / label / f"{number:02}.jpg").write_bytes(encoded(image, "JPEG"))
    return root


def config(folder: Path, **changes: Any) -> RunConfig:
    settings = {"dataset": "imagefolder", "data_dir": str(folder), "depth": 20, "image_size": 16, "batch": 8}
    more = {
        "epochs": 1,
        "lr": 0.01,
        "warmup_epochs": 0,
        "threads": 1,
        "log_every": 1,
        "color_jitter": 0.4,
        "mixup": 0.2,
    }
    return RunConfig.model_validate(settings | more | changes)


def train_by_command(settings: RunConfig, out: Path) -> int:
    return train_command(settings, out=out, fresh=False)


def test_another_image_stands_in_for_a_damaged_one_always_the_same(folder: Path) -> None:
    (folder / "train" / "a" / "03.jpg").write_bytes(DAMAGED["cut short"])
    train = open_dataset(config(folder)).train
    augmentation = Augmentation(seed=1, crop_padding=0)
    alone = train.augmented(np.array([3]), epoch=2, augmentation=augmentation)
    among = train.augmented(np.array([7, 3, 9]), epoch=2, augmentation=augmentation)
    assert alone.indices.item() != 3
    assert torch.equal(alone.images[0], among.images[1])
    assert (alone.indices[0], alone.labels[0]) == (among.indices[1], among.labels[1])
    (sentence,) = alone.damaged
    assert str(folder / "train" / "a" / "03.jpg") in sentence
    stand_ins = {
        train.augmented(np.array([3]), epoch=epoch, augmentation=augmentation).indices.item() for epoch in range(20)
    }
    assert len(stand_ins) > 3


def test_a_damaged_validation_image_counts_as_wrong(folder: Path) -> None:
    (folder / "val" / "b" / "01.jpg").write_bytes(DAMAGED["empty"])
    batch = open_dataset(config(folder)).val.plain(np.arange(10))
    assert batch.labels.tolist() == [0] * 5 + [1, UNREADABLE, 1, 1, 1]
    assert len(batch.damaged) == 1


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_training_names_damaged_files_once_and_goes_on_exactly(folder: Path, tmp_path: Path, workers: int) -> None:
    for damaged in ("train/a/03.jpg", "val/b/01.jpg"):
        (folder / damaged).write_bytes(DAMAGED["cut short"])
    settings = config(folder, epochs=2, loader_workers=workers)
    whole = run_to_end(settings, tmp_path / "whole")
    named = [notice for notice in whole.notices if "cannot be decoded" in notice]
    assert sorted(notice.split(" cannot")[0] for notice in named) == [
        str(folder / "train/a/03.jpg"),
        str(folder / "val/b/01.jpg"),
    ]
    assert named[-1].endswith("(damaged files so far: 2)")
    recorder = Recorder()
    attempt(settings, tmp_path / "paused", sink=recorder, control=InterruptAfter(2))
    run_to_end(settings, tmp_path / "paused", sink=recorder)
    assert recorder.history() == whole.history()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_tells_once_of_images_that_are_nearly_one_shade(folder: Path, tmp_path: Path, workers: int) -> None:
    for faint in ("train/a/03.png", "val/b/01.png"):
        (folder / faint).with_suffix(".jpg").unlink()
        (folder / faint).write_bytes(FAINT["12 bits in 16"][0]())
    recorder = run_to_end(config(folder, epochs=2, loader_workers=workers), tmp_path / "run")
    named = [notice for notice in recorder.notices if "1/16" in notice]
    assert sorted(notice.split(" uses")[0] for notice in named) == [
        str(folder / "train/a/03.png"),
        str(folder / "val/b/01.png"),
    ]
    assert "; stretch its numbers over the range, or convert it to 8 bits (such images so far: " in named[0]
    assert recorder.damage_counts == []


def told_of_faint(recorder: Recorder) -> list[str]:
    return sorted(notice.split(" uses")[0] for notice in recorder.notices if "1/16" in notice)


@pytest.fixture
def faint_folder(folder: Path) -> Path:
    for faint in ("train/a/03", "val/b/01"):
        (folder / faint).with_suffix(".jpg").unlink()
        (folder / faint).with_suffix(".png").write_bytes(FAINT["12 bits in 16"][0]())
    return folder


@pytest.mark.parametrize("cache_side", [None, 32])
def test_a_resumed_run_does_not_tell_of_faint_images_again(
    faint_folder: Path, tmp_path: Path, cache_side: int | None
) -> None:
    settings = config(faint_folder, epochs=3, loader_workers=0, cache_side=cache_side)
    recorder = Recorder()
    attempt(settings, tmp_path / "run", sink=recorder, control=InterruptAfter(5))
    assert told_of_faint(recorder) == [str(faint_folder / "train/a/03.png"), str(faint_folder / "val/b/01.png")]
    before = len(recorder.notices)
    run_to_end(settings, tmp_path / "run", sink=recorder)
    assert [notice for notice in recorder.notices[before:] if "1/16" in notice] == []


def test_a_checkpoint_that_knows_of_no_faint_images_is_gone_on_from(faint_folder: Path, tmp_path: Path) -> None:
    """As earlier versions wrote it; then they are told of once more."""
    settings = config(faint_folder, epochs=3, loader_workers=0)
    attempt(settings, tmp_path / "run", sink=Recorder(), control=InterruptAfter(5))
    path = newest_first(tmp_path / "run")[0]
    content = dict(load(path).content)
    del content["faint"]
    save(content, path)
    assert len(told_of_faint(run_to_end(settings, tmp_path / "run"))) == 2


def faint_copies(folder: Path) -> list[str]:
    """What training on copies tells of, by the names of the originals."""
    dataset = open_dataset(config(folder, cache_side=32))
    told = dataset.train.plain(np.arange(len(dataset.train))).faint
    return sorted(str(Path(sentence.split(" uses")[0]).relative_to(folder / "train")) for sentence in told)


def forget_which_are_faint(folder: Path) -> Path:
    """Leaves the manifest of an earlier version."""
    manifest = folder / ".resdrop-cache" / "32" / "manifest.json"
    facts = json.loads(manifest.read_text())
    del facts["faint"]
    manifest.write_text(json.dumps(facts, indent=1))
    return manifest


def test_copies_made_before_faintness_was_noted_are_asked_of_their_originals(faint_folder: Path) -> None:
    assert faint_copies(faint_folder) == ["a/03.png"]
    manifest = forget_which_are_faint(faint_folder)
    copy = manifest.parent / "train" / "a" / "03.png"
    made = copy.stat().st_ctime_ns
    assert faint_copies(faint_folder) == ["a/03.png"]
    assert copy.stat().st_ctime_ns == made


def test_whole_copies_of_an_earlier_version_need_nothing_to_be_written(faint_folder: Path) -> None:
    faint_copies(faint_folder)
    lock = forget_which_are_faint(faint_folder).with_name("lock")
    lock.unlink()
    lock.mkdir()
    assert faint_copies(faint_folder) == []


def test_faint_originals_that_come_and_go_are_known(faint_folder: Path) -> None:
    assert faint_copies(faint_folder) == ["a/03.png"]
    (faint_folder / "train/b/00.png").write_bytes(FAINT["8 bits in 16"][0]())
    assert faint_copies(faint_folder) == ["a/03.png", "b/00.png"]
    (faint_folder / "new.png").write_bytes(encoded(photograph(3), "PNG"))
    (faint_folder / "new.png").replace(faint_folder / "train/a/03.png")
    assert faint_copies(faint_folder) == ["b/00.png"]
    (faint_folder / "train/b/00.png").rename(faint_folder / "away.png")
    assert faint_copies(faint_folder) == []
    (faint_folder / "away.png").rename(faint_folder / "train/b/00.png")
    assert faint_copies(faint_folder) == ["b/00.png"]


def test_copies_cut_short_do_not_hide_a_faint_original(faint_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest of before does not know of what was copied since."""
    assert faint_copies(faint_folder) == ["a/03.png"]
    (faint_folder / "train/b/00.png").write_bytes(FAINT["8 bits in 16"][0]())
    write = cache._write

    def killed_before_the_manifest(path: Path, content: bytes, **more: Any) -> None:
        if path.name == "manifest.json":
            raise KeyboardInterrupt
        write(path, content, **more)

    with monkeypatch.context() as patched:
        patched.setattr(cache, "_write", killed_before_the_manifest)
        with pytest.raises(KeyboardInterrupt):
            faint_copies(faint_folder)
    assert faint_copies(faint_folder) == ["a/03.png", "b/00.png"]


NO_TEXT = os.fsdecode(b"no \xff text,\nline.jpg")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_file_with_any_name_is_named_and_ends_nothing(folder: Path, tmp_path: Path, workers: int) -> None:
    (folder / "train" / "a" / NO_TEXT).write_bytes(DAMAGED["text"])
    out = tmp_path / "run"
    assert train_by_command(config(folder, epochs=2, loader_workers=workers), out) == 0
    named = [line for line in (out / "train.log").read_text(encoding="utf-8").splitlines() if "decoded" in line]
    assert len(named) == 1
    assert r"/train/a/no \xff text,\nline.jpg cannot be decoded" in named[0]


def test_what_was_seen_before_a_pause_is_told_and_is_told_once(folder: Path, tmp_path: Path) -> None:
    """Between two points of the curve, too: whoever goes on does not see these images again."""
    for path in (folder / "train" / "a").iterdir():
        path.write_bytes(DAMAGED["text"])
    settings = config(folder, log_every=1000, batch=4, epochs=2)
    before, after = Recorder(), Recorder()
    attempt(settings, tmp_path / "run", sink=before, control=InterruptAfter(2))
    assert before.damage_counts
    run_to_end(settings, tmp_path / "run", sink=after)
    assert after.runs[0].damaged_files == before.damage_counts[-1]
    named = [notice.split(" cannot")[0] for notice in before.notices + after.notices if "decoded" in notice]
    assert sorted(named) == sorted(map(str, (folder / "train" / "a").iterdir()))
    assert after.damage_counts[-1] == len(named) == 12


def test_many_damaged_files_are_all_in_the_log_and_counted_in_the_summary(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "NOTICED_ONE_BY_ONE", 3)
    for path in (folder / "train" / "a").iterdir():
        path.write_bytes(DAMAGED["text"])
    settings, out, recorder = config(folder, epochs=2), tmp_path / "run", Recorder()
    run_to_end(settings, tmp_path / "alone", sink=recorder)
    noticed = [notice for notice in recorder.notices if "decoded" in notice]
    assert [notice.split(" ")[0] for notice in noticed[3:]] == ["6", "12"]
    assert train_by_command(settings, out) == 0
    log = (out / "train.log").read_text()
    assert all(f"{path} cannot be decoded" in log for path in (folder / "train" / "a").iterdir())
    assert json.loads((out / "summary.json").read_text())["damaged_files"] == 12


def test_the_last_of_too_many_damaged_files_is_named_whole(folder: Path) -> None:
    for path in (folder / "train").rglob("*.jpg"):
        path.rename(path.with_name(f"a name {path.name}")).write_bytes(DAMAGED["text"])
    train = open_dataset(config(folder)).train
    with pytest.raises(DataUnreadable, match=r"decoded, the last .*/train/./a name ..\.jpg; "):
        train.augmented(np.array([3]), epoch=0, augmentation=Augmentation(seed=1, crop_padding=0))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_disk_that_does_not_answer_ends_the_run_with_a_checkpoint(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(reading, "PAUSES_SECONDS", (0.01, 0.01))
    settings = config(folder, loader_workers=workers)
    dataset = open_dataset(settings)
    (folder / "train" / "b" / "05.jpg").unlink()
    with pytest.raises(DataUnreadable, match=r"05\.jpg cannot be read .*tried 3 times.*then resume"):
        train(settings, sink=NullSink(), control=NullControl(), checkpoints=tmp_path / "run", dataset=dataset)
    assert len(newest_first(tmp_path / "run")) == 1
