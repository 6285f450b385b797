"""Shifts the wall clock of a Python process by SHIFTED_CLOCK_SECONDS; put this folder before others in PYTHONPATH.

In the place of libfaketime, whose 0.9.10 breaks time.sleep or Event.wait of Python 3.11: both wait by the monotonic
clock, which a clock that is merely set wrong does not touch.
"""

from __future__ import annotations

import datetime
import os
import time

_AHEAD = float(os.environ["SHIFTED_CLOCK_SECONDS"])
_time, _time_ns = time.time, time.time_ns


class _Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _Shifted:
        return cls.fromtimestamp(time.time(), tz)


time.time = lambda: _time() + _AHEAD
time.time_ns = lambda: _time_ns() + round(_AHEAD * 1e9)
datetime.datetime = _Shifted
