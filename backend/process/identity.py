"""Telling a process from a later one that was given the same number."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def birth(pid: int) -> str | None:
    """When `pid` was started, in the kernel's own ticks, or None when it is gone (a zombie is gone).

    Where there is no /proc, "unknown" for any process that lives.
    """
    if sys.platform != "linux":
        return "unknown" if _can_be_signalled(pid) else None
    try:
        # The name, in parentheses, may hold anything; the fields are counted behind it (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else fields[19]


def is_alive(pid: int, born: str | None) -> bool:
    """Does the process still run that had this number and birth?"""
    return born is not None and birth(pid) == born


def _can_be_signalled(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def die_with_parent(parent: int, *, by: signal.Signals = signal.SIGTERM) -> None:
    """Has the kernel send this process `by` when `parent` is gone, however it ended. Linux only; elsewhere nothing."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(by), 0, 0, 0)
    if os.getppid() != parent:  # it was gone before it could be asked for
        os.kill(os.getpid(), by)
