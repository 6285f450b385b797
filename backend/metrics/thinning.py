"""Fewer points of a curve, so that a page draws it fast, without hiding an extreme."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class CurvePoint(NamedTuple):
    """`value` is None where the measured one was not finite."""

    step: int
    x: float
    value: float | None


#: A bucket shows its least, its greatest and one gap.
_SHOWN_OF_BUCKET = 3


def thin(points: Sequence[CurvePoint], *, max_points: int) -> list[CurvePoint]:
    """At most `max_points` of `points`, in their order: the first, the last, and the extremes of equal stretches."""
    if len(points) <= max_points:
        return list(points)
    buckets = max(1, (max_points - 2) // _SHOWN_OF_BUCKET)
    if all(point.value is not None for point in points):
        buckets = max(1, (max_points - 2) // 2)
    inner = len(points) - 2
    kept = {0, len(points) - 1}
    for bucket in range(buckets):
        start, end = 1 + bucket * inner // buckets, 1 + (bucket + 1) * inner // buckets
        kept.update(_extremes(points, start, end))
    return [points[index] for index in sorted(kept)]


def _extremes(points: Sequence[CurvePoint], start: int, end: int) -> set[int]:
    finite = [(value, index) for index in range(start, end) if (value := points[index].value) is not None]
    found = {min(finite)[1], max(finite)[1]} if finite else set()
    if len(finite) < end - start:
        found.add(next(index for index in range(start, end) if points[index].value is None))
    return found
