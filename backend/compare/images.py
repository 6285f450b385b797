"""The arms of a comparison image by image, from what their networks guess: computed once, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from backend.compare.queries import ComparisonView
from backend.runs.predictions import predictions_path
from worker.contract.arms import ARM_TITLES
from worker.evidence.image_verdict import ImageContrast, Network, compare_images
from worker.evidence.predictions import Optional, Predictions, PredictionsUnreadable, read_predictions

#: Comparisons that are kept, some tens of kilobytes each.
_KEPT = 64


class _Source(NamedTuple):
    """Where a run's predictions are; another size or time of writing is another file."""

    run: str
    seed: int
    path: Path | None
    size: int
    written: int


def with_images(view: ComparisonView, files: Path) -> ComparisonView:
    """With `images` in each contrast, of the seeds that are in the verdict. To be called outside a transaction."""
    verdict = view.verdict
    if verdict is None:
        return view
    arms = tuple((arm.name, _sources(view, files, arm.name, verdict.seeds)) for arm in view.arms)
    compared = _compared(arms, view.plan.confidence)
    contrasts = []
    for contrast in verdict.contrasts:
        images, left_out = compared[contrast.arm]
        contrasts.append(contrast.model_copy(update={"images": images, "images_left_out": left_out}))
    return view.model_copy(update={"verdict": verdict.model_copy(update={"contrasts": contrasts})})


def _sources(view: ComparisonView, files: Path, arm: str, seeds: Sequence[int]) -> tuple[_Source, ...]:
    return tuple(_source(run.id, run.seed, files) for run in view.runs if run.arm == arm and run.seed in seeds)


def _source(run_id: str, seed: int, files: Path) -> _Source:
    path = predictions_path(files, run_id)
    try:
        facts = None if path is None else path.stat()
    except OSError:
        facts = None
    return _Source(run_id, seed, path, *((facts.st_size, facts.st_mtime_ns) if facts else (0, 0)))


@lru_cache(maxsize=_KEPT)
def _compared(
    arms: tuple[tuple[str, tuple[_Source, ...]], ...], confidence: float
) -> dict[str, tuple[ImageContrast | None, tuple[str, ...]]]:
    """By arm, against the first of `arms`. Each file is read once."""
    (reference, sources), *others = arms
    first, found = _networks(sources, also=("names",)), {}
    for arm, its_sources in others:
        titles = (ARM_TITLES.get(arm, arm), ARM_TITLES.get(reference, reference))
        images, left_out = compare_images(first, _networks(its_sources), confidence=confidence, titles=titles)
        found[arm] = (images, tuple(left_out))
    return found


def _networks(sources: Sequence[_Source], *, also: Sequence[Optional] = ()) -> list[Network]:
    return [Network(one.run, one.seed, _read(one, also)) for one in sources]


def _read(source: _Source, also: Sequence[Optional]) -> Predictions | None:
    """None for a file that is away or not whole, as for one that was not kept."""
    try:
        return None if source.path is None else read_predictions(source.path, also=also)
    except (OSError, PredictionsUnreadable):
        return None
