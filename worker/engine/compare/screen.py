"""What a comparison shows while it runs: a line for each run that trains, and lasting ones for what happened."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from worker.engine.output import show

DRAWN_SECONDS = 0.5
QUIET_SECONDS = 10.0


class Screen:
    """On a terminal the lines are drawn over themselves; elsewhere new ones come every ten seconds."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._every = DRAWN_SECONDS if self._is_terminal else QUIET_SECONDS
        self._drawn_at = time.monotonic()
        self._drawn_lines = 0

    def say(self, line: str) -> None:
        show(f"{line}\n", self._out, erasing=self._erased())

    def show(self, lines: Callable[[], Sequence[str]]) -> None:
        """Asks for the lines only where it is time to draw them."""
        if time.monotonic() - self._drawn_at < self._every:
            return
        self._drawn_at = time.monotonic()
        drawn = [self._fitted(line) for line in lines()]
        show("".join(f"{line}\n" for line in drawn), self._out, erasing=self._erased())
        self._drawn_lines = len(drawn) if self._is_terminal else 0

    def _fitted(self, line: str) -> str:
        """A line that wraps could not be drawn over."""
        return line[: shutil.get_terminal_size().columns - 1] if self._is_terminal else line

    def _erased(self) -> str:
        """Up to the first drawn line, and everything below it cleared (ECMA-48: CUU and ED)."""
        count, self._drawn_lines = self._drawn_lines, 0
        return f"\x1b[{count}A\x1b[J" if count else ""
