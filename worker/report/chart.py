"""A chart as SVG that is readable in the page, in print and without any script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from worker.evidence.sentences import printed
from worker.report.markup import Markup, element
from worker.report.style import colour_class

# Small, so that letters keep their size where the chart has the width of a phone.
WIDTH, HEIGHT = 360, 232
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 36
_TICKS_WANTED = 5


@dataclass(frozen=True)
class Curve:
    """`arm` is the place of its arm, by which it is coloured. A value of None breaks the line."""

    name: str
    arm: int
    xs: Sequence[float]
    values: Sequence[float | None]


@dataclass(frozen=True)
class Scale:
    """From the range of the data to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> str:
        place = self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
        return f"{place:.1f}"


def chart(title: str, curves: Sequence[Curve], *, x_title: str, unit: str = "") -> Markup:
    """A figure with its title; it says so where nothing was measured."""
    heading = element("figcaption", f"{title} ({unit})" if unit else title)
    curves = [curve for curve in curves if any(value is not None for value in curve.values)]
    values = [value for curve in curves for value in curve.values if value is not None]
    if not values:
        return element("figure", heading, element("p", "Nothing was measured.", class_="muted"))
    x = Scale(0, max([1.0, *(x for curve in curves for x in curve.xs)]), LEFT, WIDTH - RIGHT)
    y = Scale(*_padded(min(values), max(values)), HEIGHT - BOTTOM, TOP)
    drawn = element(
        "svg",
        *_grid(x, y),
        element("text", x_title, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 4, class_="middle"),
        *(
            element("path", element("title", curve.name), d=line(curve, x, y), class_=colour_class(curve.arm))
            for curve in curves
        ),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=_said(title, curves),
    )
    return element("figure", heading, drawn)


def line(curve: Curve, x: Scale, y: Scale) -> str:
    """The path of a curve. Each stretch ends with a move of nothing, which shows a point that stands alone as a dot."""
    points = list(zip(curve.xs, curve.values, strict=True))
    stretches = [list(group) for is_known, group in groupby(points, lambda point: point[1] is not None) if is_known]
    return " ".join(
        "M" + " L".join(f"{x(at)} {y(value)}" for at, value in stretch if value is not None) + " h0"
        for stretch in stretches
    )


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` to `high`, about five: in steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / _TICKS_WANTED
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda step: abs(math.log(step / rough)))
    first, last = math.ceil(low / step), math.floor(high / step)
    return [index * step for index in range(first, last + 1)]


def _padded(low: float, high: float) -> tuple[float, float]:
    """With a little room; values that are all alike, or as good as, get some around them."""
    room = max(0.05 * (high - low), 1e-3 * max(abs(low), abs(high)), 1e-9)
    return low - room, high + room


def _grid(x: Scale, y: Scale) -> list[Markup]:
    parts = []
    for tick in ticks(y.low, y.high):
        parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(element("text", printed(f"{tick:.6g}"), x=LEFT - 6, y=y(tick), dy="0.32em", class_="end"))
    for tick in ticks(x.low, x.high):
        parts.append(element("text", printed(f"{tick:.6g}"), x=x(tick), y=HEIGHT - BOTTOM + 16, class_="middle"))
    return parts


def _said(title: str, curves: Sequence[Curve]) -> str:
    """For who cannot see it: where each curve ends."""
    ends = [(curve.name, [value for value in curve.values if value is not None][-1]) for curve in curves]
    return f"{title}; last values: " + ", ".join(f"{name} {printed(f'{end:.4g}')}" for name, end in ends)
