"""The verdict of a comparison as part of its page: as `worker.evidence` words it, with nothing added."""

from __future__ import annotations

from collections.abc import Sequence

from worker.evidence.pairs import Pair
from worker.evidence.sentences import number, step_text
from worker.evidence.verdict import Verdict
from worker.report.markup import Markup, element
from worker.report.page import bullets, table, tiles

PAIR_HEADINGS = (
    "Seed",
    "Baseline top-1",
    "SD top-1",
    "Difference",
    "Baseline step",
    "SD step",
    "Step ratio",
    "Compute ratio",
)
NOT_KNOWN = "–"
_METHOD = (
    "Accuracies are of the evaluation after the last epoch. Intervals are Student's for the mean over seeds; the runs "
    "of a seed share weights, order and augmentation. The time of a step is the median over the reports of a run, with "
    "the quartiles in brackets; evaluations, checkpoints, pauses and the first steps after a start are not in it."
)


def verdict_section(verdict: Verdict, *, seeds: int) -> list[Markup]:
    """`seeds` are all of the comparison's, whether their runs have completed or not."""
    parts = [element("p", verdict.headline, class_="sentence")]
    if not verdict.pairs:
        return parts
    if verdict.time_sentence:
        parts.append(element("p", verdict.time_sentence, class_="note" if verdict.times_explained else "note warn"))
    shown = [(tile.title, tile.value, tile.remark) for tile in verdict.tiles]
    return [
        *parts,
        tiles([*shown, ("Pairs completed", str(len(verdict.pairs)), f"of {seeds}")]),
        bullets(verdict.sentences),
        pair_table(verdict.pairs),
        element("p", _METHOD, class_="muted"),
    ]


def pair_table(pairs: Sequence[Pair]) -> Markup:
    return table("Pairs", PAIR_HEADINGS, [_pair(pair) for pair in pairs])


def _pair(pair: Pair) -> tuple[str, ...]:
    return (
        str(pair.seed),
        _percent(pair.baseline.last_top1),
        _percent(pair.sd.last_top1),
        NOT_KNOWN if pair.difference is None else number(pair.difference, "+.2f"),
        step_text(pair.baseline.step_seconds),
        step_text(pair.sd.step_seconds),
        NOT_KNOWN if pair.time_ratio is None else f"{pair.time_ratio:.3f}",
        NOT_KNOWN if pair.compute_ratio is None else f"{pair.compute_ratio:.3f}",
    )


def _percent(value: float | None) -> str:
    return NOT_KNOWN if value is None else f"{value:.2f} %"
