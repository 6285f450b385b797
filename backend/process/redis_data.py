"""What our own Redis keeps on the disk. It only carries: what it loses is said again from SQL and by the workers."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from worker.common.disk import room_at
from worker.common.set_aside import set_aside

#: Below the home.
FOLDER = "redis"
#: The folder of append-only files, the single file of servers before 7, and a snapshot.
_FILES = ("appendonlydir", "appendonly.aof", "dump.rdb")
#: All versions from 6.2 on say it when their data are loaded, and nothing that fails afterwards is the data's fault.
_LOADED = "eady to accept connections"
#: What says that the data were not reached, or are not at fault.
_ELSEWHERE = (
    *("Failed listening", "Could not create server", "Address already in use", "Permission denied"),
    *("No space left", "Read-only file system", "Disk quota exceeded", "FATAL CONFIG FILE ERROR", "Out Of Memory"),
    *("Can't open the log file", "Failed opening Unix socket"),
)
_CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")
_LEAST_FREE = 1 << 18


def set_aside_unreadable(folder: Path, *, said: str, how: str) -> str | None:
    """After a Redis died: puts its data aside where it could not load them, and says so in a sentence.

    `said` is what it printed since its start, `how` is how it ended.
    """
    could_not_load = how.startswith("exit status") and how != "exit status 0"
    crashed = how.startswith("killed by") and how.endswith(_CRASHES)
    if _LOADED in said or not (could_not_load or crashed) or any(text in said for text in _ELSEWHERE):
        return None
    try:
        if room_at(folder).free_bytes < _LEAST_FREE:
            return None
        moved = [set_aside(path) for path in map(folder.joinpath, _FILES) if os.path.lexists(path)]
    except OSError:
        return None
    if not moved:
        return None
    names = " and ".join(f"{folder.name}/{path.name}" for path in moved)
    return (
        f"it could not read its data ({_reason(said) or how}); they were set aside as {names}, "
        "and it begins empty: what it held is said again"
    )


def remove_leftovers(folder: Path) -> None:
    """What a rewrite left that was killed; to be called while no server runs. The server itself never removes it."""
    for path in folder.glob("temp-*"):
        with contextlib.suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _reason(said: str) -> str:
    """The last thing that it complained of, without process id and time."""
    complaints = [line.partition(" # ")[2].strip() for line in said.splitlines() if " # " in line]
    return next((text.partition(": make a backup")[0] for text in reversed(complaints) if text), "")
