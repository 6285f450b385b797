"""Figures as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime

from worker.common.duration import duration
from worker.evidence.sentences import printed

NONE = "–"


def percent(value: float | None) -> str:
    """An accuracy, which is in percent already."""
    return NONE if value is None else f"{value:.2f} %"


def share(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.1f} %"


def number(value: float | None) -> str:
    return NONE if value is None else printed(f"{value:.4g}")


def training_time(seconds: float) -> str:
    """A run that never began has none."""
    return duration(seconds) if seconds else NONE


def epochs(value: float) -> str:
    """How far a run is: 7.7, 10."""
    return f"{value:.1f}".removesuffix(".0")


def moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
