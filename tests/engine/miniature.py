"""ILSVRC 2012 in small: the three archives as they are published, with a few classes of a few images."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

from worker.engine.prepare.release import Archive, Release

NAMES = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz")
#: In the order of the ILSVRC ids 1, 2, 3, which is not that of the WordNet ids; the fourth is no leaf.
WNIDS = ("n02000003", "n01000001", "n03000002")
PARENT = "n00000009"


@dataclass(frozen=True)
class Miniature:
    """`train` and `val` have the bytes of every image by its path in class folders."""

    folder: Path
    release: Release
    train: Mapping[str, bytes]
    val: Mapping[str, bytes]


def image_bytes(seed: int, *, form: str = "JPEG", mode: str = "RGB", side: int = 40) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    held = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(held, form)
    return held.getvalue()


def make(folder: Path, *, wnids: tuple[str, ...] = WNIDS, train: int = 5, val: int = 7, bulk: int = 0) -> Miniature:
    """`bulk` bytes are hung on to every training image, for extractions that take a moment."""
    folder.mkdir(parents=True, exist_ok=True)
    images = {wnid: _class(wnid, number, train, b"\0" * bulk) for number, wnid in enumerate(wnids)}
    truth = [1 + (number * 2) % len(wnids) for number in range(val)]
    shown = {f"ILSVRC2012_val_{number + 1:08d}.JPEG": image_bytes(1000 + number) for number in range(val)}
    contents = (
        tar({f"{wnid}.tar": tar(files) for wnid, files in images.items()}),
        tar(shown),
        devkit(wnids, truth, {wnid: len(files) for wnid, files in images.items()}),
    )
    for name, content in zip(NAMES, contents, strict=True):
        (folder / name).write_bytes(content)
    return Miniature(
        folder,
        release_of(folder, classes=len(wnids), train=train * len(wnids), val=val),
        {f"train/{wnid}/{name}": content for wnid, files in images.items() for name, content in files.items()},
        {f"val/{wnids[number - 1]}/{name}": shown[name] for name, number in zip(sorted(shown), truth, strict=True)},
    )


def release_of(folder: Path, *, classes: int, train: int, val: int) -> Release:
    """With the sums of what is there."""
    archives = [Archive(name, hashlib.md5((folder / name).read_bytes()).hexdigest()) for name in NAMES]
    return Release("ImageNet in small", *archives, classes=classes, train_images=train, val_images=val)


def tar(files: Mapping[str, bytes], *, compressed: bool = False) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz" if compressed else "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return held.getvalue()


def devkit(wnids: tuple[str, ...], truth: list[int], counts: Mapping[str, int]) -> bytes:
    lines = "".join(f"{number}\n" for number in truth)
    root = "ILSVRC2012_devkit_t12"
    files = {
        f"{root}/readme.txt": b"readme",
        f"{root}/data/meta.mat": meta(wnids, counts),
        f"{root}/data/ILSVRC2012_validation_ground_truth.txt": lines.encode(),
    }
    return tar(files, compressed=True)


def meta(wnids: tuple[str, ...], counts: Mapping[str, int]) -> bytes:
    leaves = [_synset(number, wnid, 0, counts[wnid]) for number, wnid in enumerate(wnids, start=1)]
    rows = [*leaves, _synset(len(wnids) + 1, PARENT, len(wnids), 0)]
    synsets = np.empty((len(rows), 1), dtype=[(field, object) for field in rows[0]])
    for place, row in enumerate(rows):
        synsets[place, 0] = tuple(row.values())
    held = io.BytesIO()
    savemat(held, {"version": "in small", "synsets": synsets}, do_compression=True)
    return held.getvalue()


def _synset(number: int, wnid: str, children: int, count: int) -> dict[str, Any]:
    return {
        "ILSVRC2012_ID": float(number),
        "WNID": wnid,
        "words": f"thing {number}, façade",
        "gloss": "something to be seen",
        "num_children": float(children),
        "children": np.arange(1.0, children + 1.0)[None],
        "wordnet_height": float(children > 0),
        "num_train_images": float(count),
    }


def _class(wnid: str, number: int, count: int, tail: bytes) -> dict[str, bytes]:
    return {f"{wnid}_{index}.JPEG": image_bytes(100 * number + index) + tail for index in range(count)}
