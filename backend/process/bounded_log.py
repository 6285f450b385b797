"""The log files of the supervisor and of the parts: small, and never the reason for which anything ends.

supervisord's own handler tells of a failed write on its standard error, which is on the same full disk, and dies of it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from pathlib import Path
from typing import Any

from supervisor.loggers import Handler

_RETRY_SECONDS = 1.0
_TAIL_BYTES = 16_000


class BoundedLog(Handler):  # type: ignore[misc]  # supervisor publishes no types
    """Keeps `backups` earlier files beside the present one. What the disk refuses is counted and left out."""

    def __init__(self, path: Path, *, max_bytes: int, backups: int) -> None:
        super().__init__()
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._descriptor: int | None = None
        self._size = 0
        self._left_out = 0
        self._retry_at = 0.0
        self._last: deque[bytes] = deque()

    def tail(self) -> str:
        """The end of what was logged since this object was made, on whatever disk."""
        return b"".join(self._last)[-_TAIL_BYTES:].decode(errors="replace")

    def emit(self, record: Any) -> None:
        is_raw = isinstance(record.msg, bytes)
        line: bytes = record.msg if is_raw else (self.fmt % record.asdict()).encode(errors="replace")
        self._remember(line)
        if time.monotonic() >= self._retry_at:
            try:
                self._write(line)
                return
            except OSError:
                self._retry_at = time.monotonic() + _RETRY_SECONDS
                self.close()
        self._left_out += 1

    def _remember(self, line: bytes) -> None:
        self._last.append(line)
        while len(self._last) > 1 and sum(map(len, self._last)) > _TAIL_BYTES:
            self._last.popleft()

    def _write(self, line: bytes) -> None:
        if self._size >= self._max_bytes:
            self._turn_over()
        if self._descriptor is None:
            # Without waiting, lest a pipe that somebody put in its place hold up everything.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
            self._size = os.fstat(self._descriptor).st_size
        if self._left_out:
            self._put(f"({self._left_out} writes were left out, the disk took none)\n".encode())
            self._left_out = 0
        self._put(line)

    def _put(self, data: bytes) -> None:
        assert self._descriptor is not None
        while data:
            written = os.write(self._descriptor, data)
            self._size += written
            data = data[written:]

    def _turn_over(self) -> None:
        self.close()
        names = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._backups + 1))]
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
        self._descriptor, self._size = None, 0

    def reopen(self) -> None:
        self.close()

    def remove(self) -> None:
        self.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def flush(self) -> None:
        """Nothing is held back."""
