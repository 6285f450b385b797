"""Ctrl-C while libraries are being loaded."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Ctrl-C ends the process where it stands, unless somebody else heeds it; for work that leaves nothing half done.

    As an exception in the middle of an import it is told as a broken library, or lost: of 24 that were sent while torch
    was being loaded, 3 were, and the training began.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or not _is_main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
