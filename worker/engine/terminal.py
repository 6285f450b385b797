"""What the engine's commands print: names of files and classes, which may hold anything, never command the terminal."""

from __future__ import annotations

import sys
from typing import Any, TextIO, cast

from worker.contract.text import shown

_LAYOUT = "\n\t"


class GuardedStream:
    """Shows what would move the cursor or reorder text, instead of doing it (see `worker.contract.text.shown`)."""

    def __init__(self, stream: TextIO) -> None:
        self.unguarded = stream

    def write(self, text: str) -> int:
        return self.unguarded.write(shown(text, keep=_LAYOUT))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unguarded, name)


def guard_standard_streams() -> None:
    """Whatever is printed from here on, arguments of `argparse` and tracebacks included."""
    sys.stdout = cast(TextIO, GuardedStream(sys.stdout))
    sys.stderr = cast(TextIO, GuardedStream(sys.stderr))


def control(stream: TextIO, sequence: str) -> None:
    """Sends a control sequence of our own, such as one that erases a line that is drawn over."""
    (stream.unguarded if isinstance(stream, GuardedStream) else stream).write(sequence)
