"""A file's bytes from a disk that may be slow to answer."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable

from worker.engine.data.errors import DataUnreadable, Undecodable, shown_path

#: Before the second and the third try: a network file system's hiccup lasts about that long.
PAUSES_SECONDS = (0.5, 3.0)
#: What is wrong with the entry itself and not with its disk: a folder, a pipe, a link to itself, too long a name.
LASTING = frozenset({errno.EINVAL, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.ENODEV})


def read_bytes(path: str, *, pause: Callable[[float], None] = time.sleep) -> bytearray:
    """Raises DataUnreadable after three tries, and Undecodable at once for what no try will change.

    Read, not mapped: a disk's error in the middle of a mapped file is a signal that ends the process.
    """
    for seconds in PAUSES_SECONDS:
        try:
            return _read(path)
        except OSError as error:
            if error.errno in LASTING:
                raise Undecodable(error.strerror or str(error)) from error
            pause(seconds)
    try:
        return _read(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataUnreadable(
            f"{shown_path(path)} cannot be read ({reason}; tried {len(PAUSES_SECONDS) + 1} times); "
            "see that its disk is there and sound, then resume"
        ) from error


def _read(path: str) -> bytearray:
    # Without waiting: a pipe that nobody writes to would hold the caller for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        content = bytearray(_size_of_file(descriptor))
        done = 0
        with memoryview(content) as view:
            while done < len(content) and (count := os.readv(descriptor, [view[done:]])):
                done += count
    finally:
        os.close(descriptor)
    del content[done:]
    return content


def _size_of_file(descriptor: int) -> int:
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe, a socket or a device")
    return status.st_size
