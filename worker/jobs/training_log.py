"""What a trainer prints: kept in a file beside its checkpoints, passed on in portions, remembered for a post-mortem."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from pathlib import Path
from typing import IO

from worker.common.disk import room_at

TAIL_LINES = 40
_PORTION_SECONDS = 1.0
_PORTION_LINES = 100
_LINE_LENGTH = 2000
#: Of a small disk, a log gets at most the second part.
_FILE_BYTES, _FILE_SHARE = 50_000_000, 100
_FULL = "(the file has reached its limit; what follows is only shown on the page of the run)\n"

log = logging.getLogger(__name__)


class TrainingLog:
    """The log of one attempt. What the disk does not take costs lines of the file, never the training."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] | None = None
        self._left_bytes = 0
        try:
            self._file = path.open("a", encoding="utf-8")
            limit = min(_FILE_BYTES, room_at(path).total_bytes // _FILE_SHARE)
            self._left_bytes = limit - self._file.tell()
        except OSError as error:
            log.warning("what is trained is not logged in a file: %s", error)
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
        self._keep(line + "\n")

    def _keep(self, text: str) -> None:
        if self._file is None or self._left_bytes <= 0:
            return
        self._left_bytes -= len(text.encode(errors="replace"))
        with contextlib.suppress(OSError):
            self._file.write(text if self._left_bytes > 0 else text + _FULL)
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
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
