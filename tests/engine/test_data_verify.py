"""Every odd file of a folder is found and named, and what is no folder of images is refused."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.engine.miniature import image_bytes
from tests.support.accounts import SOMEBODY, acting_as
from worker.contract.datasets import DatasetName
from worker.engine.__main__ import main
from worker.engine.data.errors import DataError, Undecodable
from worker.engine.data.folder import load as load_folder
from worker.engine.data.images import Augmentation
from worker.engine.data.listing import LeftOut, images_below, listed
from worker.engine.data.reading import read_bytes
from worker.engine.verify.command import Report, told
from worker.engine.verify.inspection import inspect
from worker.engine.verify.missing import missing_share


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sound classes."""
    for number, (split, name) in enumerate((s, n) for s in ("train", "val") for n in ("cats", "dogs")):
        (tmp_path / "images" / split / name).mkdir(parents=True)
        for index in range(3):
            content = image_bytes(10 * number + index)
            (tmp_path / "images" / split / name / f"{index}.JPEG").write_bytes(content)
    return tmp_path / "images"


def verify(folder: Path, tmp_path: Path, *options: str) -> tuple[int, dict[str, Any]]:
    code = main(["data", "verify", str(folder), "--workers", "1", "--json", str(tmp_path / "found.json"), *options])
    return code, json.loads((tmp_path / "found.json").read_text())


def test_a_sound_folder_is_called_so(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = verify(folder, tmp_path)
    assert (code, found["sound"]) == (0, True)
    said = capsys.readouterr().out
    assert "train: 6 images in 2 classes\nval: 6 images in 2 classes\nsound\n" in said


def test_odd_files_are_named_and_are_no_failure(folder: Path, tmp_path: Path) -> None:
    cats = folder / "train" / "cats"
    (cats / "cmyk.JPEG").write_bytes(image_bytes(50, mode="CMYK"))
    (cats / "png.JPEG").write_bytes(image_bytes(51, form="PNG"))
    (cats / "tiny.JPEG").write_bytes(image_bytes(52, side=20))
    (cats / "again.JPEG").write_bytes((cats / "0.JPEG").read_bytes())
    (cats / "jpeg.tiff").write_bytes(image_bytes(53))
    (folder / "val" / "cats" / "leak.JPEG").write_bytes((cats / "1.JPEG").read_bytes())
    (folder / "train" / "dogs" / "cat.JPEG").write_bytes((cats / "2.JPEG").read_bytes())
    (folder / "val" / "dogs" / "cat.JPEG").write_bytes((cats / "2.JPEG").read_bytes())
    code, found = verify(folder, tmp_path)
    assert code == 0
    assert found["cmyk"] == ["train/cats/cmyk.JPEG"]
    assert found["odd_format"] == {"train/cats/jpeg.tiff": "JPEG", "train/cats/png.JPEG": "PNG"}
    assert found["tiny"] == ["train/cats/tiny.JPEG"]
    assert found["duplicates"] == [["train/cats/0.JPEG", "train/cats/again.JPEG"]]
    assert found["leaks"] == [["train/cats/1.JPEG", "val/cats/leak.JPEG"]]
    assert found["mislabelled"] == [["train/cats/2.JPEG", "train/dogs/cat.JPEG", "val/dogs/cat.JPEG"]]


def test_names_that_are_no_text_are_shown_and_kept(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = os.fsdecode(b"\xff\n.JPEG")
    (folder / "train" / "cats" / name).write_bytes(b"no image")
    code, found = verify(folder, tmp_path)
    assert (code, found["unreadable"]) == (1, {f"train/cats/{name}": "no image in any known format"})
    assert r"train/cats/\xff\n.JPEG (no image" in capsys.readouterr().out


def test_letters_that_the_terminal_does_not_have_end_nothing(folder: Path) -> None:
    (folder / "train" / "cats" / "né.JPEG").write_bytes(b"no image")
    command = [sys.executable, "-m", "worker.engine", "data", "verify", str(folder), "--workers", "1"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert r"train/cats/n\xe9.JPEG (no image" in done.stdout


def test_what_is_hidden_is_no_image_and_a_link_that_leads_back_is_not_followed(folder: Path, tmp_path: Path) -> None:
    cats = folder / "train" / "cats"
    (cats / "._0.JPEG").write_bytes(b"resources of macOS")
    (cats / "round").symlink_to(cats)
    (cats / "more").mkdir()
    (cats / "more" / "up").symlink_to(folder / "train")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "linked.JPEG").write_bytes(image_bytes(70))
    (cats / "there").symlink_to(folder / "elsewhere")
    code, found = verify(folder, tmp_path)
    assert (code, found["images"]) == (0, {"train": 7, "val": 6})


@pytest.mark.parametrize("links", [1, 3])
def test_folders_that_link_to_each_other_are_listed_once(folder: Path, tmp_path: Path, links: int) -> None:
    """Three links each way took hours; one took each image forty times."""
    cats, dogs = folder / "train" / "cats", folder / "train" / "dogs"
    (cats / "deep" / "er").mkdir(parents=True)
    for number in range(links):
        (cats / f"x{number}").symlink_to(dogs)
        (dogs / f"y{number}").symlink_to(cats)
        (cats / "deep" / "er" / f"z{number}").symlink_to(cats / "deep")
    whole = {path.name for path in dogs.iterdir() if path.is_file()}
    code, found = verify(folder, tmp_path)
    # Each class has the other's images as well, once, which are then equal files in two classes.
    assert (code, found["images"]["train"]) == (0, 12)
    dataset = load_folder(DatasetName.IMAGEFOLDER, data_dir=str(folder), side=16)
    assert len(dataset.train) == 12
    listing = listed(folder / "train", ["cats", "dogs"])
    taken = [os.fsdecode(name) for name in listing.names]
    # By their own path where there is one, and by the first of the links.
    assert {name.rpartition("/")[2] for name in taken if name.startswith("cats/x0/")} == whole
    assert not any("/x1/" in name or "/y1/" in name for name in taken)


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_four_inks_are_seen_in_every_format(folder: Path, form: str) -> None:
    path = folder / f"inks.{form.lower()}"
    Image.new("CMYK", (40, 40), (10, 200, 30, 0)).save(path, form)
    assert (inspect(str(path)).trouble, inspect(str(path)).is_cmyk) == (None, True)


def test_a_file_that_is_a_folder_or_gone_by_now_is_named(folder: Path) -> None:
    assert "Is a directory" in str(inspect(str(folder)).trouble)
    assert inspect(str(folder / "gone.JPEG")).trouble == "it cannot be read: No such file or directory"


def test_links_that_lead_nowhere_are_left_out_by_verifying_and_by_training_alike(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cats = folder / "train" / "cats"
    whole = load_folder(DatasetName.IMAGEFOLDER, data_dir=str(folder), side=16)
    (cats / "gone.JPEG").symlink_to(tmp_path / "nowhere")
    (cats / "round.jpg").symlink_to(cats / "round.jpg")
    (cats / "through.png").symlink_to(cats / "0.JPEG" / "within")
    (cats / "sound.JPEG").symlink_to(folder / "val" / "cats" / "0.JPEG")
    code, found = verify(folder, tmp_path)
    assert (code, found["sound"], found["unreadable"]) == (1, False, {})
    assert found["images"]["train"] == 7
    assert found["left_out"] == {"train": {"link to nothing": 3}}
    names = ["train/cats/gone.JPEG", "train/cats/round.jpg", "train/cats/through.png"]
    assert found["broken_links"] == names
    said = capsys.readouterr().out
    assert f"3 are links that lead nowhere, which training leaves out: {', '.join(names)}" in said
    dataset = load_folder(DatasetName.IMAGEFOLDER, data_dir=str(folder), side=16)
    assert len(dataset.train) == 7
    (notice,) = dataset.notices
    assert notice.startswith("train/ holds 3 files that are not taken for images (3 link to nothing), such as cats/")
    assert "; mend or remove the links that lead nowhere, such as cats/" in notice
    (cats / "sound.JPEG").unlink()
    assert load_folder(DatasetName.IMAGEFOLDER, data_dir=str(folder), side=16).fingerprint == whole.fingerprint


def test_a_class_of_links_alone_that_lead_nowhere_is_refused_with_the_cause(folder: Path, tmp_path: Path) -> None:
    for path in (folder / "train" / "cats").iterdir():
        path.unlink()
        path.symlink_to(tmp_path / "disk that is not mounted" / path.name)
    with pytest.raises(DataError, match=r"train/cats holds no images, and 3 links that lead nowhere; see that what"):
        load_folder(DatasetName.IMAGEFOLDER, data_dir=str(folder), side=16)


def test_a_link_into_a_folder_that_may_not_be_entered_is_named_when_it_is_read(folder: Path) -> None:
    """The superuser may enter every folder, and so looks as another account, in a place that this may enter."""
    another = acting_as(SOMEBODY) if os.geteuid() == 0 else nullcontext()
    with TemporaryDirectory(dir="/tmp") as place:
        shutil.copytree(folder / "train", Path(place) / "train")
        closed = Path(place) / "closed"
        closed.mkdir(mode=0)
        link = Path(place) / "train" / "cats" / "closed.JPEG"
        link.symlink_to(closed / "0.JPEG")
        Path(place).chmod(0o755)
        left_out = LeftOut()
        with another:
            names = sorted(images_below(link.parent, "cats", left_out))
            found = inspect(str(link))
            beside = inspect(str(link.with_name("0.JPEG")))
        closed.chmod(0o700)
    assert ("cats/closed.JPEG" in names, left_out.broken_links) == (True, [])
    assert (found.trouble, beside.trouble) == ("it cannot be read: Permission denied", None)


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_read(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "verify", str(folder), "--json", str(tmp_path / "nowhere" / "found.json")]) == 2
    said = capsys.readouterr()
    assert "found.json cannot be written: No such file or directory" in said.err
    assert not said.out


def test_files_that_cannot_be_read_are_named_with_why(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dogs = folder / "val" / "dogs"
    whole = image_bytes(60)
    (dogs / "empty.JPEG").write_bytes(b"")
    (dogs / "half.JPEG").write_bytes(whole[: len(whole) // 2])
    (dogs / "text.JPEG").write_bytes(b"no image")
    code, found = verify(folder, tmp_path)
    assert (code, found["sound"]) == (1, False)
    assert found["unreadable"] == {
        "val/dogs/empty.JPEG": "the file is empty",
        "val/dogs/half.JPEG": "the JPEG ends before its end marker",
        "val/dogs/text.JPEG": "no image in any known format",
    }
    assert "3 cannot be read: val/dogs/empty.JPEG (the file is empty)" in capsys.readouterr().out


def test_classes_that_differ_or_are_empty_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / "train" / "birds").mkdir()
    code, found = verify(folder, tmp_path)
    assert code == 1
    assert found["faults"] == ["only train/ has the classes birds", "train/ has classes without images: birds"]


def test_counts_are_held_to_the_dataset_that_it_should_be(folder: Path, tmp_path: Path) -> None:
    code, found = verify(folder, tmp_path, "--dataset", "imagenet")
    assert code == 1
    assert found["faults"] == [
        "train/ holds 6 images, ImageNet (ILSVRC 2012) has 1,281,167",
        "val/ holds 6 images, ImageNet (ILSVRC 2012) has 50,000",
        "train/ has 2 classes, ImageNet (ILSVRC 2012) has 1,000",
    ]


def test_a_folder_of_wordnet_ids_is_known_by_their_number(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for number in range(10):
            (tmp_path / "images" / split / f"n{number:08d}").mkdir(parents=True)
            (tmp_path / "images" / split / f"n{number:08d}" / "a.JPEG").write_bytes(image_bytes(number))
    code, found = verify(tmp_path / "images", tmp_path)
    assert (code, found["dataset"]) == (1, "imagenette")
    assert len(found["leaks"]) == 10


@pytest.mark.parametrize(("name", "why"), [("nowhere", "does not exist"), ("empty", "has no folder train/")])
def test_what_is_no_folder_of_images_is_refused(
    tmp_path: Path, name: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["data", "verify", str(tmp_path / name)]) == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "2.5", "100000", ""])
def test_a_number_of_processes_has_bounds(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["data", "verify", "folder", f"--workers={number}"])
    assert ended.value.code == 2
    assert f"'{number}' is no number of processes; give 1 to 256" in capsys.readouterr().err


def jpeg(seed: int, **options: Any) -> bytes:
    held = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(held, "JPEG", **options)
    return held.getvalue()


CODINGS: dict[str, dict[str, Any]] = {
    "one scan": {},
    "optimised": {"optimize": True, "subsampling": 0},
    "several scans": {"progressive": True},
    "restarts": {"restart_marker_blocks": 3},
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("kept", [0.05, 0.4, 0.9])
def test_an_image_of_which_a_part_is_missing_before_its_end_marker_is_not_sound(
    folder: Path, tmp_path: Path, coding: str, kept: float
) -> None:
    whole = jpeg(1, **CODINGS[coding])
    begin = whole.index(b"\xff\xda") + 14
    cut = whole[: begin + round(kept * (len(whole) - begin))].rstrip(b"\xff") + b"\xff\xd9"
    (folder / "train" / "cats" / "cut.JPEG").write_bytes(cut)
    (folder / "train" / "cats" / "whole.JPEG").write_bytes(whole)
    code, found = verify(folder, tmp_path)
    assert (code, found["sound"], found["unreadable"]) == (1, False, {})
    (name,) = found["incomplete"]
    assert name == "train/cats/cut.JPEG"
    lacking = found["incomplete"][name]
    # A scan that is absent is all of its coefficients, however few bytes they take.
    assert lacking == pytest.approx(100 * (1 - kept), abs=15) or (coding == "several scans" and lacking > 5)


def test_no_whole_image_is_said_to_lack_anything() -> None:
    draws = np.random.default_rng(0)
    for seed in range(60):
        side = int(draws.integers(1, 90))
        image = Image.new("RGB", (side, 50), (9, 99, 200)) if seed % 5 == 0 else noise(seed, side)
        held = io.BytesIO()
        image.convert("L" if seed % 7 == 0 else "RGB").save(
            held,
            "JPEG",
            quality=int(draws.integers(20, 98)),
            subsampling=int(draws.integers(0, 3)),
            **CODINGS[list(CODINGS)[seed % 4]] if seed % 4 != 1 else {"optimize": True},
        )
        assert missing_share(bytearray(held.getvalue())) == 0.0


def noise(seed: int, side: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, side, 3), dtype=np.uint8))


def test_whatever_is_done_to_a_jpeg_looking_for_what_it_lacks_ends() -> None:
    draws = np.random.default_rng(1)
    for number in range(600):
        content = bytearray(jpeg(2, **list(CODINGS.values())[number % 4]))
        for _ in range(draws.integers(1, 6)):
            content[draws.integers(min(len(content), 700))] = draws.integers(256)
        assert 0.0 <= missing_share(content) <= 1.0


def test_images_by_any_usual_name_are_taken_and_the_rest_is_counted_and_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dogs = folder / "train" / "dogs"
    for number, (name, form) in enumerate(
        (("a.jfif", "JPEG"), ("b.gif", "GIF"), ("c.JPE", "JPEG"), ("d.jp2", "JPEG2000"))
    ):
        (dogs / name).write_bytes(image_bytes(80 + number, form=form))
    for name in ("e.heic", "f.heic", "g", ".hidden"):
        (dogs / name).write_bytes(image_bytes(90))
    (folder / "train" / "loose.jpg").write_bytes(image_bytes(91))
    code, found = verify(folder, tmp_path)
    assert (code, found["images"]["train"]) == (0, 10)
    assert found["left_out"] == {"train": {".heic": 2, "without an extension": 1, "outside the class folders": 1}}
    said = capsys.readouterr().out
    assert "train/ holds 4 files that are not taken for images (2 .heic, 1 " in said
    notices = load_folder(DatasetName.IMAGEFOLDER, data_dir=str(folder), side=16).notices
    assert [notice.split(" that")[0] for notice in notices] == ["train/ holds 4 files"]


def test_a_pipe_that_is_named_like_an_image_holds_nobody_up(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "train" / "cats" / "pipe.jpg")
    (folder / "train" / "cats" / "device.png").symlink_to("/dev/zero")
    (folder / "val" / "dogs" / "linked.jpg").symlink_to(folder / "train" / "cats" / "pipe.jpg")
    code, found = verify(folder, tmp_path)
    assert (code, found["images"]) == (0, {"train": 6, "val": 6})
    assert found["left_out"] == {"train": {"pipe, socket or device": 2}, "val": {"pipe, socket or device": 1}}
    with pytest.raises(Undecodable, match="it is a pipe, a socket or a device"):
        read_bytes(str(folder / "train" / "cats" / "pipe.jpg"))


def test_a_link_to_itself_is_blamed_and_not_its_folder(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = folder / "train" / "cats" / "0.JPEG"
    images = load_folder(DatasetName.IMAGEFOLDER, data_dir=str(folder), side=16).train
    link.unlink()
    link.symlink_to(link)
    # Of one that has become such a link since it was listed, another image takes the place.
    batch = images.augmented(np.arange(len(images)), epoch=0, augmentation=Augmentation(seed=0, crop_padding=0))
    assert [sentence.split(" cannot be decoded")[0] for sentence in batch.damaged] == [str(link)]
    link.unlink()
    (folder / "train" / "mice").symlink_to(folder / "train" / "mice")
    assert verify(folder, tmp_path)[1]["left_out"] == {"train": {"outside the class folders": 1}}
    assert "train/mice" not in capsys.readouterr().err


def test_images_that_exif_would_turn_are_told_of(folder: Path, tmp_path: Path) -> None:
    for number, orientation in enumerate((1, 3, 6, 9)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        (folder / "train" / "cats" / f"turned {orientation}.jpg").write_bytes(jpeg(10 + number, exif=exif))
    code, found = verify(folder, tmp_path)
    assert (code, found["turned"]) == (0, ["train/cats/turned 3.jpg", "train/cats/turned 6.jpg"])


def test_images_of_16_bits_that_hardly_use_them_are_told_of(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    for name, factor in (("faint.png", 1), ("full.png", 16)):
        Image.fromarray(numbers * np.uint16(factor)).save(folder / "train" / "cats" / name)
    code, found = verify(folder, tmp_path)
    assert (code, found["faint"]) == (0, ["train/cats/faint.png"])
    said = capsys.readouterr().out
    assert "1 use less than 1/16 of the range of their 12 or 16 bits and are seen as nearly one shade (stretch" in said
    assert "or convert them to 8 bits): train/cats/faint.png" in said


def test_class_folders_with_any_name_are_told_on_any_terminal(folder: Path) -> None:
    (folder / "train" / os.fsdecode(b"caf\xe9")).mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "worker.engine", "data", "verify", str(folder), "--workers", "1"],
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert r"only train/ has the classes caf\xe9" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("share", "text"), [(0.314, "0.31"), (4.2, "4.2"), (47.4, "47"), (99.97, "100")])
def test_a_share_is_told_in_digits(share: float, text: str) -> None:
    none = {"train": 0, "val": 0}
    report = Report("/data", "imagefolder", none, none, [], incomplete={"train/a.jpg": share})
    assert f"train/a.jpg ({text} % of it)" in "\n".join(told(report))
