"""Telling a process from any other that ever gets its number."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def machine_boot() -> str:
    """The same for all processes of this kernel since it was started; "" where it is not known."""
    with suppress(OSError):
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return ""


def number_space() -> str:
    """The same for all processes that know each other by their numbers, as those of one container do."""
    with suppress(OSError):
        return str((_PROC / "self/ns/pid").readlink())
    return ""


def birth(pid: int) -> str:
    """When `pid` was started, in the kernel's ticks; "" when it is gone. A zombie is gone.

    Where there is no /proc, "unknown" for any process that lives.
    """
    if sys.platform != "linux":
        return "unknown" if _can_be_signalled(pid) else ""
    try:
        fields = stat_fields(pid)
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def is_alive(pid: int, born: str | None) -> bool:
    """Does the process still run that had this number and birth?"""
    return bool(born) and birth(pid) == born


def stat_fields(pid: int | str) -> list[str]:
    """Of /proc/<pid>/stat, from the third on: state, parent, group, session, ...; the start is at 19 (proc(5)).

    The second, the command in parentheses, may hold anything. Raises OSError when the process is gone.
    """
    return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()


def _can_be_signalled(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
