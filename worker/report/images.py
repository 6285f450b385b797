"""The arms image by image as part of a page: as `worker.evidence` words it, with the numbers of each seed."""

from __future__ import annotations

from collections.abc import Sequence

from worker.evidence.image_verdict import ImageContrast
from worker.evidence.sentences import number
from worker.evidence.study_words import p_text
from worker.evidence.verdict import ArmContrast
from worker.report.markup import Markup, element
from worker.report.page import ARM_TITLES, bullets, table

_METHOD = (
    "An image is right where the likeliest class is the true one. Per seed: McNemar's exact test, and the interval of "
    "Bonett and Price. Over seeds: random effects of seeds and of images (Owen 2007). Single images: Fisher's exact "
    "test; classes: the t-test over seeds; both with Benjamini and Hochberg's correction at 5 %."
)


def images_section(contrasts: Sequence[ArmContrast]) -> list[Markup]:
    """Nothing where no run has kept its predictions."""
    if not any(contrast.images for contrast in contrasts):
        return []
    parts = [element("h2", "Images won and lost")]
    for contrast in contrasts:
        if len(contrasts) > 1:
            parts.append(element("h3", f"{_title(contrast.arm)} against {_title(contrast.reference)}"))
        if contrast.images is not None:
            parts += [bullets(contrast.images.sentences), _by_seed(contrast, contrast.images)]
        if contrast.images_left_out:
            left_out = f"Not compared image by image: {'; '.join(contrast.images_left_out)}."
            parts.append(element("p", left_out, class_="note"))
    return [*parts, element("p", _METHOD, class_="muted")]


def _by_seed(contrast: ArmContrast, images: ImageContrast) -> Markup:
    head = (
        "Seed",
        f"Only {_title(contrast.arm)} right",
        f"Only {_title(contrast.reference)} right",
        "Difference",
        "Interval",
        "McNemar's p",
    )
    rows = [
        (
            str(pair.seed),
            f"{pair.won:,}",
            f"{pair.lost:,}",
            number(pair.difference, "+.2f"),
            f"{number(pair.low, '+.2f')} to {number(pair.high, '+.2f')}",
            p_text(pair.p),
        )
        for pair in images.pairs
    ]
    return table(f"{_title(contrast.arm)}, by seed", head, rows)


def _title(arm: str) -> str:
    return ARM_TITLES.get(arm, arm)
