"""Figures as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime

from worker.evidence.sentences import printed

NONE = "–"


def percent(value: float | None) -> str:
    """An accuracy, which is in percent already."""
    return NONE if value is None else f"{value:.2f} %"


def share(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.1f} %"


def number(value: float | None) -> str:
    return NONE if value is None else printed(f"{value:.4g}")


def duration(seconds: float) -> str:
    """4.2 s, 3m 05s, 2h 14m."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {rest:02}s"


def training_time(seconds: float) -> str:
    """A run that never began has none."""
    return duration(seconds) if seconds else NONE


def epochs(value: float) -> str:
    """How far a run is: 7.7, 10."""
    return f"{value:.1f}".removesuffix(".0")


def moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
