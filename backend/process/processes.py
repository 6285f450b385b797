"""The parts of a home among this machine's processes, for when nothing that was written tells of them. Linux only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from backend.process.events import Event, Happening
from backend.process.programs import PART_NAMES
from worker.common.processes import birth, stat_fields

_PROC = Path("/proc")
_REDIS_PROGRAMS = ("redis-server", "valkey-server")


def parts_of(home: Path) -> list[Event]:
    """As events of their start. What the parts have started in turn is left to them."""
    found = dict(_belonging(home))
    return [_event(pid, name) for pid, name in found.items() if _parent(pid) not in found]


def _belonging(home: Path) -> Iterator[tuple[int, str]]:
    for folder in _PROC.glob("[0-9]*"):
        try:
            name = _part_by_environment(folder, home) or _redis_by_place(folder, home)
        except (OSError, ValueError):
            continue
        if name and int(folder.name) != os.getpid():
            yield int(folder.name), name


def _part_by_environment(folder: Path, home: Path) -> str:
    """The supervisor tells each part which one it is, and all of them where the home is."""
    pairs = (entry.partition(b"=") for entry in (folder / "environ").read_bytes().split(b"\0"))
    environment = {name: value for name, _, value in pairs}
    name = environment.get(b"SUPERVISOR_PROCESS_NAME", b"").decode(errors="replace")
    is_of_home = environment.get(b"RESDROP_HOME") == os.fsencode(home) and b"RESDROP_UP_PID" in environment
    return name if is_of_home and name in PART_NAMES else ""


def _redis_by_place(folder: Path, home: Path) -> str:
    """It writes over its environment to show a title of its own."""
    program = (folder / "exe").readlink().name
    place = (folder / "cwd").readlink()
    return "redis" if program in _REDIS_PROGRAMS and place in (home.resolve(), home.resolve() / "redis") else ""


def _parent(pid: int) -> int:
    try:
        return int(stat_fields(pid)[1])
    except (OSError, ValueError, IndexError):
        return 0


def _event(pid: int, name: str) -> Event:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Event(at=now, what=Happening.STARTED, program=name, pid=pid, born=birth(pid))
