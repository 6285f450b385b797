"""How far a long piece of work has come: one line that is written over, or now and then a new one in a file."""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from worker.engine.terminal import control

ON_TERMINAL_SECONDS, IN_FILE_SECONDS = 0.2, 15.0
MEGABYTE = 10**6


class ProgressLine:
    """`done` of `total` things; the rate and the time left follow from what came since it was made."""

    def __init__(self, what: str, total: int, *, unit: str) -> None:
        self._what = what
        self._total = total
        self._unit = unit
        self._done = 0
        self._bytes = 0
        self._start = time.monotonic()
        self._is_terminal = sys.stdout.isatty()
        self._told = self._start

    def add(self, count: int, *, bytes_read: int = 0) -> None:
        self._done += count
        self._bytes += bytes_read
        pause = ON_TERMINAL_SECONDS if self._is_terminal else IN_FILE_SECONDS
        if time.monotonic() - self._told >= pause:
            self._tell(end="" if self._is_terminal else "\n")

    def close(self) -> None:
        """The last state, which stays."""
        self._tell(end="\n")

    def _tell(self, *, end: str) -> None:
        self._told = time.monotonic()
        if self._is_terminal:
            control(sys.stdout, "\r\x1b[2K")
        print(self._sentence(), end=end, flush=True)

    def _sentence(self) -> str:
        elapsed = max(1e-9, time.monotonic() - self._start)
        rate = f", {self._bytes / MEGABYTE / elapsed:,.0f} MB/s" if self._bytes else ""
        return f"{self._what}: {self._done:,} of {self._total:,} {self._unit}{rate}{self._left(elapsed)}"

    def _left(self, elapsed: float) -> str:
        if not 0 < self._done < self._total:
            return ""
        return f", {timedelta(seconds=round(elapsed * (self._total / self._done - 1)))} left"
