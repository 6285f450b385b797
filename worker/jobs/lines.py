"""Lines from a pipe, without ever waiting for one."""

from __future__ import annotations

import os
import re

_READ_BYTES = 65_536
#: Progress bars return the carriage in place of ending the line.
_END_OF_LINE = re.compile(rb"\r\n|\n|\r")
#: A line without an end is cut, so that no pipe can fill the memory.
_LONGEST = 4_000_000


class LineReader:
    """Splits what comes through `descriptor`, which becomes non-blocking."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.is_at_end = False
        self._rest = b""

    def read(self) -> list[str]:
        """The lines that have come since the last call; at the end also one that was not finished."""
        try:
            arrived = os.read(self.descriptor, _READ_BYTES)
        except BlockingIOError:
            return []
        self.is_at_end = not arrived
        *lines, self._rest = _END_OF_LINE.split(self._rest + arrived)
        if self._rest and (self.is_at_end or len(self._rest) > _LONGEST):
            lines.append(self._rest)
            self._rest = b""
        return [line.decode(errors="replace") for line in lines if line]
