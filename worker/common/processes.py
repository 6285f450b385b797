"""Telling a process from any other that ever gets its number."""

from __future__ import annotations

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
    """When `pid` was started, in the kernel's ticks; "" when it is gone. A zombie is gone."""
    try:
        # The name, in parentheses, may hold anything; the fields are counted behind it (proc(5)).
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
