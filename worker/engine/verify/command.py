"""`data verify`: every image of a folder read once, and what is odd about them told."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from worker.contract.datasets import DATASETS, DatasetName
from worker.engine.atomic import check_writable, write_text
from worker.engine.data.errors import DataError, existing_folder, shown_path
from worker.engine.data.imagenet import WNID
from worker.engine.data.listing import LeftOut, classes_of, images_below, note_loose_files
from worker.engine.parallel import in_parallel
from worker.engine.progress_line import ProgressLine
from worker.engine.verify.inspection import Inspected, inspect_all

UNSOUND, BAD_INPUT = 1, 2
CHUNK = 128
SHOWN = 5
SPLITS = ("train", "val")
#: Less of an image is a matter of the last block or two, which the encoders of some cameras leave away.
MUCH = 0.01
#: With so many class folders named by WordNet ids it is one of these.
KNOWN = {1000: DatasetName.IMAGENET, 10: DatasetName.IMAGENETTE}


@dataclass
class Report:
    """Files by their path below the folder. What is in `faults`, `unreadable`, `broken_links` or `incomplete` makes it
    unsound; the rest is good to know.

    `incomplete` and `nearly_complete` have the share of each image's pixels that its file lacks, in percent; training
    sees grey there. `turned` are those that EXIF would have turned or mirrored, which training does not do, and the
    numbers of those in `faint` fill less than 1/16 of their range. `left_out` has for each split how many files are not
    taken for images, by the end of their names, and `broken_links` those of them that are links to nothing.

    Equal files are in `mislabelled` where they lie in different classes, of which at most one can be right; and
    otherwise in `leaks` where they lie in both splits, or in `duplicates`.
    """

    root: str
    dataset: str
    images: dict[str, int]
    classes: dict[str, int]
    faults: list[str]
    unreadable: dict[str, str] = field(default_factory=dict)
    incomplete: dict[str, float] = field(default_factory=dict)
    nearly_complete: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    broken_links: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)
    faint: list[str] = field(default_factory=list)
    cmyk: list[str] = field(default_factory=list)
    odd_format: dict[str, str] = field(default_factory=dict)
    tiny: list[str] = field(default_factory=list)
    mislabelled: list[list[str]] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)
    leaks: list[list[str]] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return not (self.faults or self.unreadable or self.broken_links or self.incomplete)


def run(data_dir: str, *, workers: int, dataset: DatasetName | None = None, json_file: Path | None = None) -> int:
    """0 where all is sound, 1 where it is not, 2 where there is nothing to look at."""
    try:
        root = existing_folder(data_dir)
        classes = {split: classes_of(root, split) for split in SPLITS}
        _refuse_unwritable(json_file)
        report = verified(root, classes, dataset or _guessed(classes["train"]), workers=workers)
    except DataError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except BrokenExecutor:
        print("one of the processes was ended from outside; lower --workers and try again", file=sys.stderr)
        return UNSOUND
    for line in told(report):
        print(line)
    if json_file is not None:
        write_text(json_file, json.dumps(report.__dict__ | {"sound": report.is_sound}, indent=1) + "\n")
    return 0 if report.is_sound else UNSOUND


def _refuse_unwritable(json_file: Path | None) -> None:
    """Before an hour of reading, and not after it."""
    try:
        if json_file is not None:
            check_writable(json_file)
    except OSError as error:
        raise DataError(f"--json {json_file} cannot be written: {error.strerror}; give a file that can") from error


def verified(root: Path, classes: dict[str, list[str]], dataset: DatasetName, *, workers: int) -> Report:
    left_out = {split: LeftOut() for split in classes}
    files = {
        split: {name: sorted(images_below(root / split / name, f"{split}/{name}", left_out[split])) for name in names}
        for split, names in classes.items()
    }
    for split, noted in left_out.items():
        note_loose_files(root / split, noted)
    report = Report(
        root=str(root),
        dataset=dataset.value,
        images={split: sum(map(len, found.values())) for split, found in files.items()},
        classes={split: len(found) for split, found in files.items()},
        faults=list(_faults(files, dataset)),
        left_out={split: dict(noted.kinds) for split, noted in left_out.items() if noted.kinds},
        broken_links=sorted(name for noted in left_out.values() for name in noted.broken_links),
        notes=[noted.sentence(split) for split, noted in left_out.items() if noted.kinds],
    )
    paths = [str(root / name) for found in files.values() for names in found.values() for name in names]
    _note(report, list(_inspected(paths, workers)), root)
    return report


def _faults(files: dict[str, dict[str, list[str]]], dataset: DatasetName) -> Iterator[str]:
    train, val = (set(files[split]) for split in SPLITS)
    for split, names in (("train", train - val), ("val", val - train)):
        if names:
            yield f"only {split}/ has the classes {_some(sorted(names))}"
    for split, found in files.items():
        empty = [name for name, images in found.items() if not images]
        if empty:
            yield f"{split}/ has classes without images: {_some(empty)}"
    facts = DATASETS[dataset]
    for split, expected in (("train", facts.train_images), ("val", facts.val_images)):
        count = sum(map(len, files[split].values()))
        if expected is not None and count != expected:
            yield f"{split}/ holds {count:,} images, {facts.title} has {expected:,}"
    if facts.classes is not None and len(train) != facts.classes:
        yield f"train/ has {len(train):,} classes, {facts.title} has {facts.classes:,}"


def _inspected(paths: Sequence[str], workers: int) -> Iterator[Inspected]:
    progress = ProgressLine("reading", len(paths), unit="images")
    left = iter(paths)
    chunks = iter(lambda: list(islice(left, CHUNK)), [])
    try:
        for found in in_parallel(inspect_all, chunks, workers=workers):
            progress.add(len(found), bytes_read=sum(image.size for image in found))
            yield from found
    finally:
        progress.close()


def _note(report: Report, inspected: list[Inspected], root: Path) -> None:
    copies: dict[bytes, list[str]] = defaultdict(list)
    for image in sorted(inspected, key=lambda image: image.path):
        name = str(Path(image.path).relative_to(root))
        if image.trouble is not None:
            report.unreadable[name] = image.trouble
            continue
        copies[image.digest].append(name)
        if image.missing:
            (report.incomplete if image.missing >= MUCH else report.nearly_complete)[name] = 100 * image.missing
        if image.is_turned:
            report.turned.append(name)
        if image.is_faint:
            report.faint.append(name)
        if image.is_cmyk:
            report.cmyk.append(name)
        if image.is_tiny:
            report.tiny.append(name)
        if image.odd_format is not None:
            report.odd_format[name] = image.odd_format
    for names in copies.values():
        if len(names) > 1:
            _kind_of_equals(report, names).append(names)


def _kind_of_equals(report: Report, names: list[str]) -> list[list[str]]:
    splits, classes = ({name.split("/")[place] for name in names} for place in (0, 1))
    if len(classes) > 1:
        return report.mislabelled
    return report.leaks if len(splits) > 1 else report.duplicates


def _percent(value: float) -> str:
    """Two digits that tell something: 0.31, 4.2, 47, 100."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def told(report: Report) -> Iterator[str]:
    for split in SPLITS:
        yield f"{split}: {report.images[split]:,} images in {report.classes[split]:,} classes"
    yield from map(shown_path, report.faults)
    yield from report.notes
    for what, lacking in (
        ("lack a part, which is seen as grey", report.incomplete),
        ("lack less than 1 % of the image, which is seen as grey", report.nearly_complete),
    ):
        yield from _listed(what, [f"{name} ({_percent(percent)} % of it)" for name, percent in lacking.items()])
    yield from _listed("cannot be read", [f"{name} ({why})" for name, why in report.unreadable.items()])
    yield from _listed("are links that lead nowhere, which training leaves out", report.broken_links)
    yield from _listed(
        "use less than 1/16 of the range of their 12 or 16 bits and are seen as nearly one shade (stretch their "
        "numbers over the range, or convert them to 8 bits)",
        report.faint,
    )
    yield from _listed("are CMYK", report.cmyk)
    yield from _listed("are not what their name says", [f"{name} ({what})" for name, what in report.odd_format.items()])
    yield from _listed("are turned by EXIF, which training does not heed", report.turned)
    yield from _listed("are tiny", report.tiny)
    yield from _listed(
        "groups of equal files in different classes", [" = ".join(names) for names in report.mislabelled]
    )
    yield from _listed("groups of equal files in one split", [" = ".join(names) for names in report.duplicates])
    yield from _listed("groups of equal files in train/ and val/", [" = ".join(names) for names in report.leaks])
    yield "sound" if report.is_sound else "not sound: see above"


def _listed(what: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield f"{len(names):,} {what}: {shown_path(_some(names))}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _guessed(classes: Sequence[str]) -> DatasetName:
    if all(WNID.fullmatch(name) for name in classes):
        return KNOWN.get(len(classes), DatasetName.IMAGEFOLDER)
    return DatasetName.IMAGEFOLDER
