"""What the commands say to the person at the terminal."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from worker.contract.text import shown, shown_json

#: What our own sentences and tables are set with.
_LAYOUT = "\n\t"


def say(text: str) -> None:
    """One line to standard output. A reader that is gone ends no command that has work to finish.

    Names, reasons and log lines come from elsewhere: none of their characters reaches the terminal as a command to it.
    """
    with contextlib.suppress(OSError):
        print(shown(text, keep=_LAYOUT), flush=True)


def say_timed(text: str) -> None:
    """A line of a log: with the time of day before it."""
    say(f"{time.strftime('%H:%M:%S')}  {text}")


def complain(text: str) -> None:
    """One line to standard error."""
    with contextlib.suppress(OSError):
        print(shown(text, keep=_LAYOUT), file=sys.stderr, flush=True)


def leave_quietly() -> None:
    """Lets go of what standard output did not take: its file may be on a full disk, which is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say_json(value: Any) -> None:
    say(shown_json(json.dumps(value, indent=2, ensure_ascii=False)))


def say_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their widest cell."""
    table = [list(titles), *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(titles))]
    for row in table:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
