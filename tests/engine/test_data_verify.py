"""Every odd file of a folder is found and named, and what is no folder of images is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.miniature import image_bytes
from worker.engine.__main__ import main
from worker.engine.verify.inspection import inspect


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sound classes."""
    for number, (split, name) in enumerate((s, n) for s in ("train", "val") for n in ("cats", "dogs")):
        (tmp_path / "images" / split / name).mkdir(parents=True)
        for index in range(3):
            content = image_bytes(10 * number + index)
            (tmp_path / "images" / split / name / f"{index}.JPEG").write_bytes(content)
    return tmp_path / "images"


def verify(folder: Path, tmp_path: Path, *options: str) -> tuple[int, dict[str, object]]:
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


def test_a_link_to_nowhere_and_a_file_that_is_a_folder_by_now_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / "train" / "cats" / "gone.JPEG").symlink_to(tmp_path / "nowhere")
    code, found = verify(folder, tmp_path)
    assert (code, found["unreadable"]) == (1, {"train/cats/gone.JPEG": "it cannot be read: No such file or directory"})
    assert "Is a directory" in str(inspect(str(folder)).trouble)


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
