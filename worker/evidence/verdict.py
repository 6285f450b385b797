"""The one verdict of a comparison: numbers and sentences, for service, page, reports and command lines."""

from __future__ import annotations

from collections.abc import Sequence

from worker.evidence import sentences as words
from worker.evidence.pairs import CompletedRun, Effects, Pair, effects_of, pairs_of


class Verdict(Effects):
    """Over the seeds of which both runs have completed. Nothing is concluded about seeds from a single one.

    `headline` says what is known of the accuracy, `time_sentence` of the time; `sentences` have each number with its
    interval and `tiles` the most important ones for a page. `times_explained` is false where a ratio of times has
    another cause than skipping.
    """

    seeds: tuple[int, ...]
    pairs: list[Pair]
    mean_difference: float | None
    mean_time_ratio: float | None
    times_explained: bool
    headline: str
    time_sentence: str
    sentences: list[str]
    tiles: list[words.Figure]


def verdict_of(runs: Sequence[CompletedRun]) -> Verdict:
    """Of the completed runs of a comparison, in any order. Raises ScipyMissing from two pairs on."""
    pairs = pairs_of(runs)
    effects = effects_of(pairs)
    return Verdict(
        **dict(effects),
        seeds=tuple(pair.seed for pair in pairs),
        pairs=pairs,
        mean_difference=effects.last_top1.mean if effects.last_top1 else None,
        mean_time_ratio=effects.time_ratio.mean if effects.time_ratio else None,
        times_explained=all(pair.times.is_explained for pair in pairs),
        headline=words.headline(pairs, effects),
        time_sentence=words.time_sentence(pairs, effects),
        sentences=words.sentences(pairs, effects),
        tiles=words.tiles(effects),
    )
