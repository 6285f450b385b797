"""How long something took, as a person says it: terminal, report and page (frontend/js/format.js) in the same words."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

_SHORT = 9.95
_MINUTE, _HOUR = 60, 3600


def duration(seconds: float) -> str:
    """4.2 s, 3m 05s, 2h 14m, 3d 4h."""
    if seconds < _SHORT:
        return f"{Decimal(max(0.0, seconds)).quantize(Decimal('0.1'), ROUND_HALF_UP)} s"
    whole = _rounded(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // 60}m {whole % 60:02}s"
    minutes = _rounded(whole / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60}h {minutes % 60:02}m"
    hours = _rounded(minutes / 60)
    return f"{hours // 24}d {hours % 24}h"


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)
