"""The arms of a comparison image by image, from what their networks guess: computed once, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from backend.compare.queries import ComparisonView
from backend.runs.predictions import predictions_path
from worker.evidence.image_verdict import Found, Network, compare_arms
from worker.evidence.predictions import PredictionsUnreadable, read_predictions

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
    return view.model_copy(update={"verdict": verdict.with_images(_compared(arms, view.plan.confidence))})


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
def _compared(arms: tuple[tuple[str, tuple[_Source, ...]], ...], confidence: float) -> Found:
    """Each file is read once."""
    return compare_arms([(arm, [_network(one) for one in sources]) for arm, sources in arms], confidence)


def _network(source: _Source) -> Network:
    """Without predictions where the file is away or not whole, as where none was kept."""
    predictions = None
    if source.path is not None:
        with suppress(OSError, PredictionsUnreadable):
            predictions = read_predictions(source.path, also=("names",))
    return Network(source.run, source.seed, predictions)
