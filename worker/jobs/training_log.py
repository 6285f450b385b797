"""What a trainer prints: kept in a file beside its checkpoints, passed on in portions, remembered for a post-mortem."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from pathlib import Path

TAIL_LINES = 40
_PORTION_SECONDS = 1.0
_PORTION_LINES = 100
_LINE_LENGTH = 2000
_FILE_BYTES = 50_000_000


class TrainingLog:
    """The log of one attempt. A disk that is full costs lines of the file, never the training."""

    def __init__(self, path: Path) -> None:
        """Raises OSError when the file cannot be opened."""
        self._file = path.open("a", encoding="utf-8")
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._portion: list[str] = []
        self._left_out = 0
        self._portion_at = 0.0

    def write(self, line: str) -> None:
        line = line[:_LINE_LENGTH]
        self._tail.append(line)
        if len(self._portion) < _PORTION_LINES:
            self._portion.append(line)
        else:
            self._left_out += 1
        with contextlib.suppress(OSError):
            if self._file.tell() < _FILE_BYTES:
                self._file.write(line + "\n")
                self._file.flush()

    def tail(self) -> list[str]:
        """The last lines."""
        return list(self._tail)

    def take_portion(self, *, at_once: bool = False) -> list[str]:
        """Lines to pass on, at most a hundred a second, with a word about those that were left out."""
        now = time.monotonic()
        if not self._portion or (now - self._portion_at < _PORTION_SECONDS and not at_once):
            return []
        lines, left_out = self._portion, self._left_out
        self._portion, self._left_out, self._portion_at = [], 0, now
        return [*lines, f"({left_out} more lines: see train.log)"] if left_out else lines

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
