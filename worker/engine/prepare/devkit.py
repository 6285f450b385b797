"""What the development kit knows: which class has which WordNet id, and what is on each validation image."""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from worker.engine.prepare.matlab import NotMatlab, Value, read_structures
from worker.engine.prepare.release import PrepareRefused

#: The names of the folders: nothing that could lead elsewhere.
WNID = re.compile(r"n\d{8}")
META, TRUTH = "data/meta.mat", "data/ILSVRC2012_validation_ground_truth.txt"


@dataclass(frozen=True)
class Synset:
    """A class. `train_images` is 0 where the kit does not say."""

    ilsvrc_id: int
    wnid: str
    words: str
    train_images: int


@dataclass(frozen=True)
class Devkit:
    """The leaf synsets, by WordNet id: a class's index is its place among them. `truth` has an ILSVRC id for each
    validation image in the order of the file names."""

    synsets: tuple[Synset, ...]
    truth: tuple[int, ...]

    @property
    def val_wnids(self) -> list[str]:
        """`truth` in WordNet ids."""
        by_id = {synset.ilsvrc_id: synset.wnid for synset in self.synsets}
        return [by_id[number] for number in self.truth]


def read_devkit(path: Path) -> Devkit:
    """Raises PrepareRefused where the archive is not a whole development kit."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            meta, truth = (_member(archive, path, name) for name in (META, TRUTH))
        synsets = _leaves(read_structures(meta, "synsets"))
        numbers = tuple(int(line) for line in truth.decode("ascii").split())
    except (OSError, EOFError, tarfile.TarError, NotMatlab, ValueError, KeyError) as error:
        if isinstance(error, PrepareRefused):
            raise
        raise PrepareRefused(f"{path} is not a whole development kit: {error}; download it again") from error
    unknown = set(numbers) - {synset.ilsvrc_id for synset in synsets}
    if unknown:
        raise PrepareRefused(f"{path} is at odds with itself: its ground truth names the unknown class {min(unknown)}")
    return Devkit(synsets, numbers)


def _member(archive: tarfile.TarFile, path: Path, name: str) -> bytes:
    for member in archive:
        if member.isfile() and member.name.endswith(name):
            file = archive.extractfile(member)
            assert file is not None
            return file.read()
    raise PrepareRefused(f"{path} holds no {name}; it is not the development kit for tasks 1 and 2")


def _leaves(rows: list[dict[str, Value]]) -> tuple[Synset, ...]:
    leaves = [_synset(row) for row in rows if _number(row, "num_children") == 0]
    return tuple(sorted(leaves, key=lambda synset: synset.wnid))


def _synset(row: dict[str, Value]) -> Synset:
    wnid = str(row["WNID"])
    if not WNID.fullmatch(wnid):
        raise ValueError(f"{wnid!r} is no WordNet id")
    return Synset(
        ilsvrc_id=_number(row, "ILSVRC2012_ID"),
        wnid=wnid,
        words=str(row["words"]),
        train_images=_number(row, "num_train_images"),
    )


def _number(row: dict[str, Value], field: str) -> int:
    value = row[field]
    if not isinstance(value, tuple) or len(value) != 1:
        raise ValueError(f"{field} of a synset is {value!r}, not a number")
    return int(value[0])
