"""The room on a disk, and how much of it has to stay free so that what is running can still say why it stops."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: The environment variable with the bytes that have to stay free; without it they follow from the disk's size.
RESERVE_VARIABLE = "RESDROP_DISK_RESERVE"
_MOST_RESERVED, _LEAST_RESERVED, _SHARE_RESERVED = 1 << 30, 1 << 20, 20
#: A disk that can take fewer files than this is as good as full.
_LEAST_INODES = 64
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True)
class Room:
    """What is free on the disk that holds `path`, for one who is not the superuser."""

    path: Path
    free_bytes: int
    total_bytes: int
    #: New files that it takes; None where the filesystem does not count them.
    free_inodes: int | None = None

    @property
    def is_out_of_inodes(self) -> bool:
        return self.free_inodes is not None and self.free_inodes < _LEAST_INODES

    def lacks(self, wanted_bytes: int) -> bool:
        return self.free_bytes < wanted_bytes or self.is_out_of_inodes

    @property
    def remedy(self) -> str:
        """What gives back what is lacking."""
        return "remove files there, whatever their size" if self.is_out_of_inodes else "make room there"

    def __str__(self) -> str:
        if self.is_out_of_inodes:
            return f"the disk of {self.path} takes {self.free_inodes} more files"
        return f"the disk of {self.path} has {shown_size(self.free_bytes)} of {shown_size(self.total_bytes)} free"


def room_at(path: Path) -> Room:
    """Of the disk that holds `path`, or would hold it if it were there. Raises OSError."""
    existing = next((one for one in (path, *path.parents) if one.exists()), path)
    found = os.statvfs(existing)
    inodes = found.f_favail if found.f_files else None
    return Room(path, found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, inodes)


@dataclass(frozen=True)
class Reserve:
    """What has to stay free: `given` bytes, or a twentieth of the disk between 1 MiB and 1 GiB."""

    given: int | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Reserve:
        """Raises ValueError naming the variable, its value and the remedy."""
        text = environment.get(RESERVE_VARIABLE)
        return cls(_bytes_from(text) if text else None)

    def bytes_of(self, total_bytes: int) -> int:
        if self.given is not None:
            return self.given
        return max(_LEAST_RESERVED, min(total_bytes // _SHARE_RESERVED, _MOST_RESERVED))


def is_full(error: OSError) -> bool:
    """Is there no room, or none for this user?"""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def takes_nothing(error: OSError) -> bool:
    """Does the disk take no writes, for want of room, for it has failed, or for it was made read-only?"""
    return is_full(error) or error.errno in (errno.EROFS, errno.EIO)


def remedy_of(error: OSError, path: Path) -> str:
    """What lets the disk that holds `path` take files again."""
    match error.errno:
        case errno.ENOSPC:
            try:
                return room_at(path).remedy
            except OSError:
                return "make room there"
        case errno.EDQUOT:
            return "remove files of yours there, or have your quota raised"
        case errno.EROFS:
            return "have it mounted for writing again"
        case errno.EIO:
            return "have the disk checked, which answers with errors"
        case errno.EISDIR | errno.ENOTDIR | errno.EINVAL | errno.ENXIO:
            return "move away what is in its place"
        case _:
            return "let its folder take files again"


def shown_size(size: int) -> str:
    """Bytes as a person reads them: 512 B, 3.1 MB, 250 GB."""
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def _bytes_from(text: str) -> int:
    digits = text.strip().lower().removesuffix("b").removesuffix("i")
    unit = digits[-1:] if digits[-1:].isalpha() else ""
    number = digits.removesuffix(unit).strip()
    try:
        value = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        value = -1.0
    if not 0 <= value < 1 << 60:
        raise ValueError(f"{RESERVE_VARIABLE} {text!r} is no size; write bytes, or 512M or 2G for powers of 1024")
    return int(value)
