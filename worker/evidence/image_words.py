"""What the images say of an arm, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from worker.evidence.sentences import number
from worker.evidence.study_words import p_text

if TYPE_CHECKING:
    from worker.evidence.image_verdict import ImageContrast, ImagePair, JudgedClass

#: Fewer seeds single out no image: Fisher's test of 3 against 0 in 3 has p = 0.1.
FEWEST_SEEDS = 4
_NAMED = 5


def sentences(found: ImageContrast, titles: tuple[str, str], confidence: float) -> list[str]:
    """`titles` are those of the arm and of the reference."""
    told = [_pair(found.pairs[0], found.images, titles, confidence)] if len(found.pairs) == 1 else []
    return [*told, *_seeds(found, confidence), *_images(found), *_classes(found)]


def _pair(pair: ImagePair, images: int, titles: tuple[str, str], confidence: float) -> str:
    arm, reference = titles
    ends = f"{number(pair.low, '+.2f')} to {number(pair.high, '+.2f')}"
    return (
        f"Of {images:,} validation images {arm} alone gets {pair.won:,} right and {reference} alone {pair.lost:,}: a "
        f"difference of {number(pair.difference, '+.2f')} points ({100 * confidence:g} % interval {ends}; McNemar's "
        f"exact p = {p_text(pair.p)}). This speaks of these two networks, and not of other seeds."
    )


def _seeds(found: ImageContrast, confidence: float) -> Iterator[str]:
    if found.low is None or found.high is None:
        return
    ends = f"from {number(found.low, '+.2f')} to {number(found.high, '+.2f')}"
    yield (
        f"The two networks of a seed judge {100 * found.judged_differently:.1f} % of {found.images:,} validation "
        f"images differently. For other seeds and other images of the same kind the mean difference lies "
        f"{ends} points ({100 * confidence:g} %)."
    )


def _images(found: ImageContrast) -> Iterator[str]:
    seeds = len(found.seeds)
    if seeds < FEWEST_SEEDS:
        yield (
            f"Which images are won or lost consistently cannot be told from {seeds} "
            f"seed{'' if seeds == 1 else 's'}; it takes {FEWEST_SEEDS} or more."
        )
    elif not found.tested_images:
        yield "There is no image that some networks get right and others wrong often enough to be tested."
    elif not found.won_images + found.lost_images:
        yield (
            f"No image is won or lost consistently over {seeds} seeds: of {found.tested_images:,} that could be, the "
            "differences are within what chance gives (false discoveries held at 5 %)."
        )
    else:
        yield (
            f"Consistently over {seeds} seeds {_count(found.won_images, 'image')} won and {found.lost_images:,} lost, "
            f"of {found.tested_images:,} that could be; 5 % of these may be by chance."
        )


def _classes(found: ImageContrast) -> Iterator[str]:
    if not found.tested_classes:
        return
    if not found.won_classes and not found.lost_classes:
        yield f"No class of {found.tested_classes:,} is won or lost consistently (false discoveries held at 5 %)."
    for classes, how in ((found.won_classes, "won"), (found.lost_classes, "lost")):
        if classes:
            yield f"Classes {how} consistently: {_named(classes)}."


def _named(classes: Sequence[JudgedClass]) -> str:
    told = [f"{one.name} ({number(one.difference, '+.1f')} points of {one.images} images)" for one in classes[:_NAMED]]
    more = len(classes) - _NAMED
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun} is" if count == 1 else f"{count:,} {noun}s are"
