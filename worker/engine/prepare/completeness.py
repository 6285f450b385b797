"""The proof at the end: everything that has to be there is, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from worker.engine.prepare.devkit import Devkit
from worker.engine.prepare.release import PrepareFailed, Release
from worker.engine.prepare.state import contents_of

SHOWN = 5


def prove(out: Path, release: Release, devkit: Devkit, extracted: Mapping[str, tuple[int, int]]) -> None:
    """Raises PrepareFailed with the classes that are not as they should be."""
    expected = {synset.wnid: synset.train_images or extracted[synset.wnid][0] for synset in devkit.synsets}
    train = {wnid: contents_of(out / "train" / wnid) for wnid in expected}
    changed = {wnid: found for wnid, found in train.items() if found != extracted[wnid]}
    _refuse(
        [f"{wnid} holds {found[0]} images, its archive {extracted[wnid][0]}" for wnid, found in changed.items()],
        "train/ is not what was extracted",
    )
    _compare("train", {wnid: found[0] for wnid, found in train.items()}, expected, release.train_images)
    truth = Counter(devkit.wnid_of(number) for number in devkit.truth)
    val = {wnid: contents_of(out / "val" / wnid)[0] for wnid in truth}
    _compare("val", val, truth, release.val_images)


def _compare(split: str, found: Mapping[str, int], expected: Mapping[str, int], total: int) -> None:
    odd = [f"{wnid} {found[wnid]} of {count}" for wnid, count in expected.items() if found[wnid] != count]
    _refuse(odd, f"{split}/ has classes with another number of images than they should")
    if sum(found.values()) != total:
        raise PrepareFailed(f"{split}/ holds {sum(found.values()):,} images, the release has {total:,}")


def _refuse(odd: list[str], what: str) -> None:
    if odd:
        more = f" and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
        raise PrepareFailed(f"{what}: {', '.join(odd[:SHOWN])}{more}; delete these folders and run the same command")
