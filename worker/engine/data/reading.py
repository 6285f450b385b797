"""A file's bytes from a disk that may be slow to answer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from worker.engine.data.errors import DataUnreadable, shown

#: Before the second and the third try: a network file system's hiccup lasts about that long.
PAUSES_SECONDS = (0.5, 3.0)


def read_bytes(path: str, *, pause: Callable[[float], None] = time.sleep) -> bytearray:
    """Raises DataUnreadable after three tries.

    Read, not mapped: a disk's error in the middle of a mapped file is a signal that ends the process.
    """
    for seconds in PAUSES_SECONDS:
        try:
            return _read(path)
        except OSError:
            pause(seconds)
    try:
        return _read(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataUnreadable(
            f"{shown(path)} cannot be read ({reason}; tried {len(PAUSES_SECONDS) + 1} times); "
            "see that its disk is there and sound, then resume"
        ) from error


def _read(path: str) -> bytearray:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  a Path for each of a million files costs more
        content = bytearray(os.fstat(file.fileno()).st_size)
        view, done = memoryview(content), 0
        while done < len(content) and (count := file.readinto(view[done:])):
            done += count
        view.release()
    del content[done:]
    return content
