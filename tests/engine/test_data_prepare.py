"""ImageNet from its archives: what comes out, what is refused, and how an interrupted preparation goes on."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from tests.engine.miniature import (
    NAMES,
    PARENT,
    WNIDS,
    Miniature,
    devkit,
    image_bytes,
    make,
    meta,
    release_of,
    tar,
)
from worker.contract.datasets import DatasetName
from worker.engine.__main__ import main
from worker.engine.data import folder as class_folders
from worker.engine.prepare import command
from worker.engine.prepare.command import Order, run
from worker.engine.prepare.matlab import NotMatlab, read_structures
from worker.engine.prepare.release import ILSVRC2012
from worker.engine.prepare.state import CLASSES, FOLDER, state_of

TRAIN, VAL, DEVKIT = NAMES


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    return make(tmp_path_factory.mktemp("archives"))


@pytest.fixture
def changed(archives: Miniature, tmp_path: Path) -> Path:
    """A copy of the archives, for changes."""
    return Path(shutil.copytree(archives.folder, tmp_path / "changed"))


def prepare(made: Miniature, out: Path, **changes: object) -> int:
    return run(replace(Order(made.release, made.folder, out, workers=1), **changes))


def images_in(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.JPEG")}


def test_every_image_comes_into_the_folder_of_its_class(archives: Miniature, tmp_path: Path) -> None:
    assert prepare(archives, tmp_path, workers=2) == 0
    assert images_in(tmp_path) == {**archives.train, **archives.val}
    rows = json.loads((tmp_path / "classes.json").read_text())
    assert [(row["index"], row["wnid"], row["ilsvrc_id"]) for row in rows] == [
        (0, "n01000001", 2),
        (1, "n02000003", 1),
        (2, "n03000002", 3),
    ]
    assert rows[0]["words"] == "thing 2, façade"


def test_what_was_prepared_is_what_a_training_opens(archives: Miniature, tmp_path: Path) -> None:
    assert prepare(archives, tmp_path) == 0
    dataset = class_folders.load(DatasetName.IMAGENET, data_dir=str(tmp_path), side=16)
    assert (len(dataset.train), len(dataset.val)) == (15, 7)
    assert dataset.classes == tuple(sorted(WNIDS))


def test_the_command_takes_the_official_release(archives: Miniature, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "prepare", "imagenet", "--archives", str(archives.folder), "--out", str(archives.folder / "o")]
    assert main(arguments) == 2
    assert f"the official one has {ILSVRC2012.devkit.md5}" in capsys.readouterr().err


def test_a_missing_archive_is_named_with_where_it_is_had(
    archives: Miniature, changed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (changed / VAL).unlink()
    assert prepare(archives, tmp_path / "out", archives=changed) == 2
    said = capsys.readouterr().err
    assert f"lacks {VAL}; download" in said
    assert "image-net.org" in said
    assert not (tmp_path / "out").exists()


def test_a_wrong_sum_is_refused_before_anything_is_extracted(
    archives: Miniature, changed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (changed / TRAIN).open("r+b") as file:
        file.seek(2000)
        file.write(b"x")
    assert prepare(archives, tmp_path / "out", archives=changed) == 2
    assert archives.release.train.md5 in capsys.readouterr().err
    assert not images_in(tmp_path / "out")


def test_a_sum_is_taken_once_for_a_file_that_stays_the_same(
    archives: Miniature, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for expected in (3, 0):
        assert prepare(archives, tmp_path) == 0
        assert capsys.readouterr().out.count("checking ") == expected


@pytest.mark.parametrize("name", ["../out.JPEG", "/tmp/out.JPEG", "a/b.JPEG", "notes.txt", ".hidden.JPEG"])
def test_a_name_that_leads_elsewhere_is_refused(
    archives: Miniature, changed: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = {f"{wnid}.tar": tar({name: image_bytes(1)} if wnid == WNIDS[0] else {"a.JPEG": b"a"}) for wnid in WNIDS}
    (changed / TRAIN).write_bytes(tar(inner))
    assert prepare(archives, tmp_path / "out", archives=changed, sums=False) == 1
    assert repr(name) in capsys.readouterr().err
    assert not list(tmp_path.glob("*.JPEG"))


@pytest.mark.parametrize("name", ["../out.JPEG", "../../../out.JPEG", "a/../../out.JPEG", "notes.txt"])
def test_a_validation_images_name_that_leads_elsewhere_is_refused_before_anything_is_written(
    archives: Miniature, changed: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = [Path(path).name for path in sorted(archives.val, key=lambda path: Path(path).name)]
    (changed / VAL).write_bytes(tar({name: b"hostile", **dict.fromkeys(shown[1:], b"image")}))
    before = set(tmp_path.rglob("*"))
    assert prepare(archives, tmp_path / "out", archives=changed, sums=False) == 1
    assert repr(name) in capsys.readouterr().err
    made = set(tmp_path.rglob("*")) - before
    assert all(path.is_relative_to(tmp_path / "out") for path in made)
    assert not [path for path in made if path.is_file() and path.read_bytes() == b"hostile"]


def test_a_class_whose_name_leads_elsewhere_is_refused(
    archives: Miniature, changed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wnids = ("../n01000001", *WNIDS[1:])
    (changed / DEVKIT).write_bytes(devkit(wnids, [1, 2, 3, 1, 2, 3, 1], dict.fromkeys(wnids, 5)))
    assert prepare(archives, tmp_path / "out", archives=changed, sums=False) == 2
    assert "'../n01000001' is no WordNet id" in capsys.readouterr().err


def header_at(archive: bytes, name: str) -> int:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return opened.getmember(name).offset


@pytest.mark.parametrize("damage", [b"\xff" * 512, b"\0" * 512])
@pytest.mark.parametrize("where", ["val", "train", "class"])
def test_a_damaged_header_is_no_end_of_an_archive(
    archives: Miniature, changed: Path, tmp_path: Path, where: str, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = changed / (VAL if where == "val" else TRAIN)
    whole = path.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(whole)) as opened:
        second = opened.getmembers()[1]
        content = opened.extractfile(second)
        assert content is not None
        inner = content.read()
    at = second.offset
    if where == "class":
        at = second.offset_data + header_at(inner, f"{second.name.removesuffix('.tar')}_2.JPEG")
    path.write_bytes(whole[:at] + damage + whole[at + 512 :])
    assert prepare(archives, tmp_path / "out", archives=changed, sums=False) == 1
    assert "is damaged after byte" in capsys.readouterr().err


@pytest.mark.parametrize("folder", [f"train/{WNIDS[0]}", f"val/{WNIDS[0]}"])
def test_what_somebody_else_has_put_there_is_neither_replaced_nor_used(
    archives: Miniature, tmp_path: Path, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / folder / "theirs.JPEG"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    for _ in range(2):
        assert prepare(archives, tmp_path) == 2
        assert "was not made by this command (1 such folders)" in capsys.readouterr().err
    assert images_in(tmp_path) == {f"{folder}/theirs.JPEG": b"theirs"}


def test_links_are_refused(
    archives: Miniature, changed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        link = tarfile.TarInfo("ILSVRC2012_val_00000001.JPEG")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (changed / VAL).write_bytes(held.getvalue())
    assert prepare(archives, tmp_path / "out", archives=changed, sums=False) == 1
    assert "which is no file" in capsys.readouterr().err


def test_an_archive_that_was_cut_short_is_found_without_sums(
    archives: Miniature, changed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (changed / TRAIN).read_bytes()
    (changed / TRAIN).write_bytes(whole[: len(whole) // 2])
    assert prepare(archives, tmp_path / "out", archives=changed, sums=False) in (1, 2)
    assert "download" in capsys.readouterr().err


def test_a_class_with_too_few_images_is_named(
    archives: Miniature, changed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {wnid: {f"{wnid}_{index}.JPEG": b"image" for index in range(5)} for wnid in WNIDS}
    del files[WNIDS[1]][f"{WNIDS[1]}_4.JPEG"]
    (changed / TRAIN).write_bytes(tar({f"{wnid}.tar": tar(content) for wnid, content in files.items()}))
    assert prepare(archives, tmp_path / "out", archives=changed, sums=False) == 1
    assert f"{WNIDS[1]} 4 of 5" in capsys.readouterr().err


def test_another_number_of_images_than_the_release_has_is_refused(
    archives: Miniature, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = release_of(archives.folder, classes=3, train=16, val=7)
    assert prepare(archives, tmp_path, release=whole) == 1
    assert "train/ holds 15 images, the release has 16" in capsys.readouterr().err


def test_classes_that_the_kit_does_not_know_are_refused(
    archives: Miniature, changed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (changed / TRAIN).write_bytes(tar({f"{wnid}.tar": tar({"a.JPEG": b"a"}) for wnid in (*WNIDS[:2], PARENT)}))
    assert prepare(archives, tmp_path / "out", archives=changed, sums=False) == 2
    assert "differ in 2 classes" in capsys.readouterr().err


def test_too_little_space_is_said_before_anything_is_extracted(
    archives: Miniature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(command.shutil, "disk_usage", lambda _: usage)
    assert prepare(archives, tmp_path) == 2
    assert "GiB are to be extracted; free some" in capsys.readouterr().err
    assert not images_in(tmp_path)


def test_only_one_preparation_works_in_a_folder(
    archives: Miniature, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with state_of(tmp_path):
        assert prepare(archives, tmp_path) == 2
    assert f"process {os.getpid()} on {socket.gethostname()} is preparing in {tmp_path}" in capsys.readouterr().err


def test_what_is_whole_is_not_extracted_again_and_what_is_not_is(
    archives: Miniature, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(archives, tmp_path) == 0
    emptied = tmp_path / "train" / WNIDS[0] / f"{WNIDS[0]}_0.JPEG"
    emptied.write_bytes(b"")
    lost = next((tmp_path / "val").rglob("*.JPEG"))
    lost.unlink()
    half = tmp_path / "train" / f".{WNIDS[0]}.partial"
    half.mkdir()
    (half / "half.JPEG").write_bytes(b"half")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "train" / WNIDS[1]).iterdir()}
    capsys.readouterr()
    assert prepare(archives, tmp_path) == 0
    assert "going on: 2 of 4 pieces are whole" in capsys.readouterr().out
    assert images_in(tmp_path) == {**archives.train, **archives.val}
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not half.exists()


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_preparation_that_was_ended_goes_on_where_it_was(tmp_path: Path, ending: signal.Signals, code: int) -> None:
    wnids = tuple(f"n{number:08d}" for number in range(1, 31))
    archives = make(tmp_path / "archives", wnids=wnids, train=12, bulk=400_000)
    out = tmp_path / "out"
    arguments = ["data", "prepare", "imagenet", "--archives", str(archives.folder), "--out", str(out), "--workers", "2"]
    program = (
        "import sys; from pathlib import Path; from tests.engine.miniature import release_of\n"
        "from worker.engine.__main__ import main; from worker.engine.prepare import release\n"
        "if __name__ == '__main__':\n"
        f"    small = release_of(Path({str(archives.folder)!r}), classes=30, train=360, val=7)\n"
        f"    release.ILSVRC2012 = small\n    sys.exit(main({arguments!r}))\n"
    )
    script = tmp_path / "prepare.py"
    script.write_text(program)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, script], env=environment)
    until = time.monotonic() + 60
    while len(list(out.glob("train/n*"))) < 3 and time.monotonic() < until:
        time.sleep(0.002)
    # The first process alone: its own end with it.
    process.send_signal(ending)
    assert process.wait(30) == code
    classes = [marker.name for marker in (out / FOLDER / CLASSES).iterdir() if not marker.suffix]
    whole = {path: path.stat().st_mtime_ns for wnid in classes for path in (out / "train" / wnid).iterdir()}
    assert 0 < len(classes) < len(wnids)
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert images_in(out) == {**archives.train, **archives.val}
    assert {path: path.stat().st_mtime_ns for path in whole} == whole
    assert not list(out.glob("train/.*"))


def test_the_kits_table_is_read_as_scipy_reads_it() -> None:
    content = meta(WNIDS, dict.fromkeys(WNIDS, 5))
    rows = read_structures(content, "synsets")
    theirs = loadmat(io.BytesIO(content), squeeze_me=True)["synsets"]
    assert len(rows) == len(theirs) == 4
    for own, other in zip(rows, theirs, strict=True):
        assert own["WNID"] == other["WNID"]
        assert own["words"] == other["words"]
        assert own["ILSVRC2012_ID"] == (other["ILSVRC2012_ID"],)
        assert list(own["children"] or ()) == [float(child) for child in other["children"].flatten()]


def test_a_damaged_table_is_refused_as_such_wherever_the_damage_is() -> None:
    plain = io.BytesIO()
    table = loadmat(io.BytesIO(meta(WNIDS, dict.fromkeys(WNIDS, 5))))["synsets"]
    savemat(plain, {"synsets": table}, do_compression=False)
    whole, draws = plain.getvalue(), np.random.default_rng(0)
    cut = [whole[:length] for length in range(len(whole))]
    places = draws.integers(128, len(whole), 5_000).tolist()
    changed = [whole[:at] + draws.bytes(1) + whole[at + 1 :] for at in places]
    refused = 0
    for content in cut + changed:
        try:
            read_structures(content, "synsets")
        except NotMatlab:
            refused += 1
    assert refused > len(cut) * 0.9


@pytest.mark.parametrize("number", [np.float64(3), np.uint8(3), np.uint16(3), np.int32(3)])
def test_numbers_are_read_in_whatever_type_they_are_kept(number: np.generic) -> None:
    row = {"number": number, "words": "crème, 日本 😀", "nothing": "", "children": np.zeros((0, 0))}
    table = np.empty((1, 1), dtype=[(field, object) for field in row])
    table[0, 0] = tuple(row.values())
    for compressed in (True, False):
        held = io.BytesIO()
        savemat(
            held,
            {"first": 1.0, "cells": np.array([["a", 1]], dtype=object), "synsets": table},
            do_compression=compressed,
        )
        (read,) = read_structures(held.getvalue(), "synsets")
        assert read == {"number": (3.0,), "words": row["words"], "nothing": "", "children": ()}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no header"),
        (b"x" * 200, "no header"),
        (meta(WNIDS, dict.fromkeys(WNIDS, 5))[:400], "ends early|damaged|no variable"),
    ],
)
def test_what_is_not_such_a_table_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(NotMatlab, match=why):
        read_structures(content, "synsets")
