"""The proof at the end: everything that has to be there is, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from worker.engine.prepare.devkit import Devkit
from worker.engine.prepare.release import PrepareFailed, Release
from worker.engine.prepare.state import State, count_of

SHOWN = 5


def prove(out: Path, release: Release, devkit: Devkit, state: State) -> None:
    """Raises PrepareFailed with the classes that are not as they should be."""
    wnids = [synset.wnid for synset in devkit.synsets]
    changed = [wnid for wnid in wnids if not state.is_whole(wnid, out / "train" / wnid)]
    _refuse(changed, "train/ has classes that are not what was extracted")
    train = {wnid: count_of(out / "train" / wnid).images for wnid in wnids}
    # Where the kit does not say how many there are, the release's total still does.
    expected = {synset.wnid: synset.train_images or train[synset.wnid] for synset in devkit.synsets}
    _compare("train", train, expected, release.train_images)
    truth = Counter(devkit.val_wnids)
    val = {wnid: count_of(out / "val" / wnid).images for wnid in truth}
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
