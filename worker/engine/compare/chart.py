"""Curves as inline SVG: readable without a script, in the dark and at the width of a phone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# The size in which it is drawn on a phone, so that letters are not shrunk there.
WIDTH, HEIGHT = 350, 220
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 8, 34
TICKS = 5
#: More points than pixels would only make the page heavy.
MOST_POINTS = 300

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """`arm` is the class that colours it."""

    name: str
    arm: str
    points: Sequence[Point]


def figure(title: str, x_title: str, curves: Sequence[Curve]) -> str:
    """HTML; nothing for curves without a point."""
    drawn = [Curve(curve.name, curve.arm, thinned(curve.points)) for curve in curves if curve.points]
    if not drawn:
        return ""
    x = _Axis.over([x for curve in drawn for x, _ in curve.points] + [0.0], LEFT, WIDTH - RIGHT, room=0.0)
    y = _Axis.over([y for curve in drawn for _, y in curve.points], HEIGHT - BOTTOM, TOP, room=0.05)
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(_said(title, drawn))}">'
        f"{_grid(x, y)}"
        f'<text class="middle" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 3}">{escape(x_title)}</text>'
        f"{''.join(_path(curve, x, y) for curve in drawn)}</svg></figure>"
    )


def thinned(points: Sequence[Point]) -> list[Point]:
    """Means of neighbours where there are too many."""
    size = math.ceil(len(points) / MOST_POINTS)
    if size <= 1:
        return list(points)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]


@dataclass(frozen=True)
class _Axis:
    """From values to pixels, with round numbers on the way."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float, *, room: float) -> _Axis:
        low, high = min(values), max(values)
        spare = room * (high - low)
        if high == low:
            spare = max(abs(low) * 0.05, 1e-3)
        return cls(low - spare, high + spare, start, end)

    def __call__(self, value: float) -> str:
        share = (value - self.low) / (self.high - self.low)
        return f"{self.start + share * (self.end - self.start):.1f}"

    def ticks(self) -> list[float]:
        """Steps of 1, 2 or 5 times a power of ten."""
        rough = (self.high - self.low) / TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda step: abs(math.log(step / rough)))
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [round(index * step, 12) for index in range(first, last + 1)]


def _grid(x: _Axis, y: _Axis) -> str:
    rows = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick)}" y2="{y(tick)}"/>'
        f'<text class="end" x="{LEFT - 5}" y="{y(tick)}" dy="0.32em">{tick:.6g}</text>'
        for tick in y.ticks()
    )
    columns = "".join(
        f'<text class="middle" x="{x(tick)}" y="{HEIGHT - BOTTOM + 15}">{tick:.6g}</text>' for tick in x.ticks()
    )
    return rows + columns


def _path(curve: Curve, x: _Axis, y: _Axis) -> str:
    """It ends with a move of nothing, which shows a point that stands alone as a dot."""
    places = " L".join(f"{x(at)} {y(value)}" for at, value in curve.points)
    return f'<path class="{escape(curve.arm)}" d="M{places} h0"><title>{escape(curve.name)}</title></path>'


def _said(title: str, curves: Sequence[Curve]) -> str:
    """For who cannot see it."""
    return f"{title}; last values: " + ", ".join(f"{curve.name} {curve.points[-1][1]:.4g}" for curve in curves)
