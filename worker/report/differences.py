"""The differences of a comparison as SVG: a dot for each seed, the mean with its interval, zero and the margin."""

from __future__ import annotations

import math
from collections.abc import Sequence

from worker.contract.plan import Plan
from worker.evidence.sentences import number, printed
from worker.evidence.study_verdict import Contrast
from worker.report.chart import Scale, ticks
from worker.report.markup import Markup, element
from worker.report.page import ARM_TITLES

# Small, so that letters keep their size where it has the width of a phone.
_WIDTH, _EDGE, _ROW, _AXIS, _TOP = 360, 8, 44, 32, 4
_LONGEST_NAME = 20
#: Dots nearer than this would hide one another; then they are so far above each other.
_APART, _STEP = 6.0, 6
#: Beyond so many spans of the dots an interval is cut off: with two seeds it is many times as wide as they are.
_CUT_AT_SPANS = 1.5
_METRICS = {"val/top1": "top-1, in points", "val/top5": "top-5, in points", "val/loss": "loss"}


def differences_figure(contrasts: Sequence[Contrast], plan: Plan) -> Markup | None:
    """None before a seed has ended."""
    shown = [contrast for contrast in contrasts if contrast.differences]
    if not shown:
        return None
    margin = None if plan.margin is None else -plan.margin if plan.higher_is_better else plan.margin
    height = _TOP + _ROW * len(shown) + _AXIS
    x = Scale(*difference_range(shown, margin), _EDGE, _WIDTH - _EDGE)
    bottom = height - _AXIS
    lines = [_line(x, 0.0, bottom, "zero")]
    if margin is not None:
        lines.append(_line(x, margin, bottom, "margin"))
    marks = [
        element("text", printed(f"{tick:g}"), x=x(tick), y=bottom + 13, class_="middle")
        for tick in ticks(x.low, x.high)
    ]
    sides = ("worse", "better") if plan.higher_is_better else ("better", "worse")
    drawn = element(
        "svg",
        *lines,
        *marks,
        element("text", f"\N{LEFTWARDS ARROW} {sides[0]}", x=0, y=height - 2),
        element("text", f"{sides[1]} \N{RIGHTWARDS ARROW}", x=_WIDTH, y=height - 2, class_="end"),
        *(part for place, contrast in enumerate(shown) for part in _row(contrast, x, _TOP + _ROW * place, plan)),
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        aria_label="; ".join(f"{_title(one)}: {one.mean_text}, {one.interval_text}" for one in shown),
        class_="difference",
    )
    alone = "" if margin is None else f", each end of which holds alone; dashed is the margin of {plan.margin:g}"
    reference = ARM_TITLES.get(shown[0].reference, shown[0].reference)
    caption = (
        f"Difference to {reference} in {_METRICS[plan.metric]}: a dot for each seed, the mean with its interval{alone}"
    )
    return element("figure", element("figcaption", caption), drawn)


def _row(contrast: Contrast, x: Scale, top: float, plan: Plan) -> list[Markup]:
    digits = "+.2f" if plan.metric != "val/loss" else "+.4f"
    name = _title(contrast)
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
    ending = contrast.conclusion.value
    y = top + 30
    parts = [
        element(
            "text",
            element("title", name),
            element("tspan", short, class_="name"),
            element("tspan", f" {ending.replace('_', ' ')}", class_=ending),
            x=0,
            y=top + 14,
        ),
        element(
            "text",
            element("tspan", f"{contrast.mean_text} ", class_="name"),
            element("tspan", contrast.interval_text),
            x=_WIDTH,
            y=top + 14,
            class_="end",
        ),
    ]
    if contrast.mean is not None and (contrast.low is not None or contrast.high is not None):
        low = x.low if contrast.low is None else max(contrast.low, x.low)
        high = x.high if contrast.high is None else min(contrast.high, x.high)
        parts.append(element("line", x1=x(low), x2=x(high), y1=y, y2=y, class_="interval"))
    heights = _heights([float(x(one.value)) for one in contrast.differences])
    parts += [
        element(
            "circle",
            element("title", f"seed {one.seed}: {number(one.value, digits)}"),
            cx=x(one.value),
            cy=y - _STEP * height,
            r=4,
        )
        for one, height in zip(contrast.differences, heights, strict=True)
    ]
    if contrast.mean is not None:
        parts.append(element("line", x1=x(contrast.mean), x2=x(contrast.mean), y1=y - 7, y2=y + 7, class_="mean"))
    return parts


def _heights(places: Sequence[float]) -> list[float]:
    """Steps above or below the row, so that dots of like values are all seen."""
    before = [sum(abs(other - place) < _APART for other in places[:index]) for index, place in enumerate(places)]
    return [(count + 1) / 2 if count % 2 else -count / 2 for count in before]


def difference_range(contrasts: Sequence[Contrast], margin: float | None) -> tuple[float, float]:
    """The ends of the axis, as frontend/js/difference-scale.js has them too; a test keeps the two equal."""
    held = [0.0, *(one.value for contrast in contrasts for one in contrast.differences)]
    held += [] if margin is None else [margin]
    room = _CUT_AT_SPANS * ((max(held) - min(held)) or 1.0)
    ends = [end for contrast in contrasts for end in (contrast.low, contrast.high) if end is not None]
    kept = [min(max(end, min(held) - room), max(held) + room) for end in ends if math.isfinite(end)]
    low, high = min([*held, *kept]), max([*held, *kept])
    air = 0.04 * ((high - low) or 1.0)
    return low - air, high + air


def _line(x: Scale, value: float, bottom: float, kind: str) -> Markup:
    return element("line", x1=x(value), x2=x(value), y1=0, y2=bottom, class_=kind)


def _title(contrast: Contrast) -> str:
    return ARM_TITLES.get(contrast.arm, contrast.arm)
