"""What a command says while it works. A terminal that was closed, or a reader that is gone, ends no work."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TextIO

from worker.engine.terminal import control


def show(text: str, out: TextIO, *, erasing: str = "") -> None:
    """Writes `text` at once; `erasing` is a control sequence of our own that goes before it."""
    with suppress(OSError):
        control(out, erasing)
        out.write(text)
        out.flush()


def say(line: str) -> None:
    show(f"{line}\n", sys.stdout)


def complain(line: str) -> None:
    show(f"{line}\n", sys.stderr)
