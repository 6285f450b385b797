"""Fewer points of a curve, so that a page draws it fast, without hiding an extreme."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class CurvePoint(NamedTuple):
    """`value` is None where the measured one was not finite."""

    step: int
    x: float
    value: float | None


#: A stretch shows its least, its greatest and one gap.
SHOWN_OF_STRETCH = 3


@dataclass
class Extremes:
    """The least, the greatest and the first gap of the points that were added."""

    least: CurvePoint | None = None
    greatest: CurvePoint | None = None
    gap: CurvePoint | None = None

    def add(self, point: CurvePoint) -> None:
        if point.value is None:
            self.gap = self.gap or point
            return
        if self.least is None or self.least.value is None or point.value < self.least.value:
            self.least = point
        if self.greatest is None or self.greatest.value is None or point.value > self.greatest.value:
            self.greatest = point

    def points(self) -> set[CurvePoint]:
        return {point for point in (self.least, self.greatest, self.gap) if point is not None}


def thin(points: Iterable[CurvePoint], *, count: int, has_gaps: bool, max_points: int) -> list[CurvePoint]:
    """At most `max_points` of the `count` `points`, in their order: first, last, and the extremes of equal stretches.

    Goes through them once and holds no more than it returns.
    """
    if count <= max_points:
        return list(points)
    stretches = max(1, (max_points - 2) // (SHOWN_OF_STRETCH if has_gaps else SHOWN_OF_STRETCH - 1))
    inner = count - 2
    kept: set[CurvePoint] = set()
    current, end = Extremes(), 0
    stretch = -1
    for index, point in enumerate(points):
        if index in (0, count - 1):
            kept.add(point)
            continue
        while index - 1 >= end:
            kept |= current.points()
            current, stretch = Extremes(), stretch + 1
            end = (stretch + 1) * inner // stretches
        current.add(point)
    return sorted(kept | current.points())


def thin_by(points: Iterable[CurvePoint], *, size: int) -> list[CurvePoint]:
    """The extremes of every `size` points, and the last point."""
    kept: set[CurvePoint] = set()
    current, last = Extremes(), None
    for index, point in enumerate(points):
        if index % size == 0:
            kept |= current.points()
            current = Extremes()
        current.add(point)
        last = point
    return sorted(kept | current.points() | ({last} if last is not None else set()))
