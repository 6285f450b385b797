"""`data prepare imagenet`: archives checked, extracted in parallel, and proved complete."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path

from worker.engine.atomic import write_text
from worker.engine.parallel import in_parallel
from worker.engine.prepare.completeness import prove
from worker.engine.prepare.devkit import Devkit, read_devkit
from worker.engine.prepare.extraction import ClassPiece, Place, ValPiece, blocks, contents, extract, missing_of
from worker.engine.prepare.release import PrepareFailed, PrepareRefused, Release
from worker.engine.prepare.state import State, state_of
from worker.engine.prepare.sums import check_sums, refuse_missing
from worker.engine.progress_line import ProgressLine

FAILED, BAD_INPUT = 1, 2
GIB = 2**30
#: Validation images in a piece of work.
BLOCK = 500
CLASSES = "classes.json"


@dataclass(frozen=True)
class Order:
    """What was asked for. Without `sums` the archives are taken for what their names say."""

    release: Release
    archives: Path
    out: Path
    workers: int
    sums: bool = True


def run(order: Order) -> int:
    """The exit code."""
    try:
        refuse_missing(order.release, order.archives)
        order.out.mkdir(parents=True, exist_ok=True)
        with state_of(order.out) as state:
            _prepare(order, state)
    except PrepareRefused as refusal:
        print(refusal, file=sys.stderr)
        return BAD_INPUT
    except PrepareFailed as failure:
        print(failure, file=sys.stderr)
        return FAILED
    except BrokenExecutor:
        print("one of the processes was ended from outside; run the same command to go on", file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"{order.out} cannot be written: {error}; give a folder that can", file=sys.stderr)
        return BAD_INPUT
    return 0


def _prepare(order: Order, state: State) -> None:
    release = order.release
    # The small archive first: it takes a second to find out that it is the wrong one.
    if order.sums:
        check_sums(release.archives[::-1], order.archives, state)
    devkit = _devkit(order)
    train, val = _class_pieces(order, devkit, state), _val_pieces(order, devkit)
    _refuse_foreign(train, order.out / "val", state)
    pieces: list[ClassPiece | ValPiece] = [
        *(piece for piece in train if not state.is_whole(piece.wnid, piece.folder / piece.wnid)),
        *filter(None, map(missing_of, val)),
    ]
    _refuse_too_little_space(order.out, pieces)
    if len(pieces) < len(train) + len(val):
        print(f"going on: {len(train) + len(val) - len(pieces):,} of {len(train) + len(val):,} pieces are whole")
    state.val_marker.touch()
    _extract(pieces, order.workers)
    prove(order.out, release, devkit, state)
    _write_classes(order.out, devkit)
    print(
        f"{release.title} is complete in {order.out}: {release.train_images:,} training and {release.val_images:,} "
        f"validation images in {release.classes:,} classes. To train on it: "
        f"resdrop train --dataset imagenet --data_dir {order.out} --out RUN"
    )


def _devkit(order: Order) -> Devkit:
    release, path = order.release, order.archives / order.release.devkit.name
    devkit = read_devkit(path)
    for what, found, expected in (
        ("classes", len(devkit.synsets), release.classes),
        ("validation labels", len(devkit.truth), release.val_images),
    ):
        if found != expected:
            raise PrepareRefused(f"{path} has {found:,} {what}, {release.title} has {expected:,}; download it again")
    return devkit


def _class_pieces(order: Order, devkit: Devkit, state: State) -> list[ClassPiece]:
    archive = order.archives / order.release.train.name
    places = {place.name.removesuffix(".tar"): place for place in contents(archive)}
    wnids = {synset.wnid for synset in devkit.synsets}
    odd = sorted(places.keys() ^ wnids)
    if odd:
        raise PrepareRefused(
            f"{archive} and the development kit differ in {len(odd)} classes, {odd[0]} among them; download both again"
        )
    return [ClassPiece(archive, places[wnid], wnid, order.out / "train", state.marker(wnid)) for wnid in sorted(wnids)]


def _val_pieces(order: Order, devkit: Devkit) -> list[ValPiece]:
    archive = order.archives / order.release.val.name
    places = sorted(contents(archive), key=lambda place: place.name)
    if len(places) != len(devkit.truth):
        raise PrepareRefused(
            f"{archive} holds {len(places):,} images, the development kit has labels for {len(devkit.truth):,}; "
            "download both again"
        )
    labels = {place.name: wnid for place, wnid in zip(places, devkit.val_wnids, strict=True)}
    return [_val_piece(archive, block, labels, order.out / "val") for block in blocks(places, BLOCK)]


def _val_piece(archive: Path, places: Sequence[Place], labels: dict[str, str], folder: Path) -> ValPiece:
    return ValPiece(archive, tuple(places), tuple(labels[place.name] for place in places), folder)


def _extract(pieces: list[ClassPiece | ValPiece], workers: int) -> None:
    if not pieces:
        return
    progress = ProgressLine("extracting", sum(map(_size, pieces)) // GIB or 1, unit="GiB")
    told = seen = 0
    try:
        for found in in_parallel(extract, pieces, workers=min(workers, len(pieces))):
            seen += found.size
            progress.add(seen // GIB - told, bytes_read=found.size)
            told = seen // GIB
    finally:
        progress.close()


def _refuse_foreign(train: Sequence[ClassPiece], val: Path, state: State) -> None:
    """What somebody else has put there is neither replaced nor taken for whole."""
    folders = [piece.folder / piece.wnid for piece in train if not piece.marker.exists()]
    foreign = [folder for folder in folders if folder.exists()]
    if not state.val_marker.exists() and val.is_dir() and any(val.iterdir()):
        foreign.append(val)
    if foreign:
        raise PrepareRefused(
            f"{foreign[0]} is there already and was not made by this command ({len(foreign)} such folders); move it "
            "away, or give another --out. To check what is there: resdrop data verify"
        )


def _refuse_too_little_space(out: Path, pieces: Sequence[ClassPiece | ValPiece]) -> None:
    needed, free = sum(map(_size, pieces)), shutil.disk_usage(out).free
    if needed > free:
        raise PrepareRefused(
            f"{out} has {free / GIB:.1f} GiB free and {needed / GIB:.1f} GiB are to be extracted; free some, or give a "
            "folder on another disk"
        )


def _size(piece: ClassPiece | ValPiece) -> int:
    return piece.place.size if isinstance(piece, ClassPiece) else sum(place.size for place in piece.places)


def _write_classes(out: Path, devkit: Devkit) -> None:
    rows = [
        {"index": index, "wnid": synset.wnid, "ilsvrc_id": synset.ilsvrc_id, "words": synset.words}
        for index, synset in enumerate(devkit.synsets)
    ]
    write_text(out / CLASSES, json.dumps(rows, indent=1) + "\n")
