"""Makes the files of a home usable before a start: what is damaged, misplaced or foreign is set aside and made anew.

All but the database. SQL is the truth, so everything else can be made again; see `backend/db/soundness.py` for SQL.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from backend.process import events
from backend.process.errors import CommandError
from backend.process.home import Address, Home, aside_sentence, secret_in
from backend.process.programs import PART_NAMES
from worker.common.set_aside import found_aside, set_aside

#: Tells what is wrong with a file, "" where nothing is. Raises OSError.
Check = Callable[[Path], str]


def repair(home: Home, *, files: Path) -> list[str]:
    """To be called by whoever holds the home; sentences tell what was set aside.

    `files` is the storage root. Raises CommandError where something can neither be used nor be moved.
    """
    told = []
    for path, is_right_kind, check in _expected(home, files):
        try:
            wrong = _wrong(path, is_right_kind, check)
            if wrong:
                told.append(aside_sentence(home.path, path, set_aside(path), wrong))
        except OSError as error:
            raise CommandError(
                f"{path} cannot be used and cannot be set aside ({error.strerror}); remove it, or give yourself the "
                f"right to write in {path.parent}."
            ) from error
    return told


def what_was_set_aside(home: Home, *, files: Path) -> list[Path]:
    """All of it, until somebody removes it."""
    return found_aside([home.path, *home.folders, home.path / "worker" / "spool", *_elsewhere(home, files)])


def aside_note(home: Home, path: Path) -> str:
    """For whoever did not see it happen."""
    name = path.relative_to(home.path) if path.is_relative_to(home.path) else path
    return f"{name} could not be used and was set aside; look at it, and remove it when nothing in it is missed"


def _elsewhere(home: Home, files: Path) -> list[Path]:
    return [] if files == home.path / "files" else [files]


def _expected(home: Home, files: Path) -> Iterator[tuple[Path, Callable[[int], bool], Check]]:
    for folder in (home.path / "cache", home.path / "worker" / "spool", files / "runs"):
        yield folder, stat.S_ISDIR, _anything
    for path in _plain_files(home):
        yield path, stat.S_ISREG, _anything
    yield home.redis / "redis.sock", stat.S_ISSOCK, _anything
    yield home.address_file, stat.S_ISREG, _address
    yield home.events, stat.S_ISREG, _events
    yield home.path / "token", stat.S_ISREG, _secret
    yield home.redis / "password", stat.S_ISREG, _secret
    yield home.path / "worker" / "worker.json", stat.S_ISREG, _identity
    yield files / "root.json", stat.S_ISREG, _identity


def _plain_files(home: Home) -> list[Path]:
    """Those that are written before they are read: only what they are can be wrong."""
    logs = [f"{name}.log" for name in (*PART_NAMES, "supervisor")] + ["supervisor.out"]
    beside_database = ["resdrop.db.migrating", "resdrop.db.controller.lock"]
    new = [home.path / f"{name}.new" for name in ("up.json", "supervisord.conf", "token")]
    new += [home.redis / f"{name}.new" for name in ("redis.conf", "password")]
    return [
        *(home.path / name for name in ("up.lock", "supervisord.conf", "supervisor.pid", *beside_database)),
        *(home.logs / name for name in logs),
        *(home.redis / "redis.conf", home.path / "worker" / "lock", home.events.with_name("events.jsonl.new")),
        *new,
    ]


def _wrong(path: Path, is_right_kind: Callable[[int], bool], check: Check) -> str:
    if not os.path.lexists(path):
        return ""
    try:
        found = path.stat()
    except OSError as error:
        return f"its link leads nowhere ({error.strerror})"
    if not is_right_kind(found.st_mode):
        return f"it is {_kind(found.st_mode)}"
    if not _may_be_used(path):
        return "it belongs to another user"
    try:
        return check(path)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"


def _may_be_used(path: Path) -> bool:
    """Gives the owner back the rights that somebody took."""
    wanted = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
    if os.access(path, wanted):
        return True
    try:
        path.chmod(0o700 if path.is_dir() else 0o600)
    except OSError:
        return False
    return os.access(path, wanted)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFREG: "a file", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _anything(_: Path) -> str:
    return ""


def _address(path: Path) -> str:
    try:
        Address.parsed(path.read_text())
    except (ValueError, TypeError, KeyError, RecursionError):
        return "it holds no address" if path.stat().st_size else "it is empty"
    return ""


def _events(path: Path) -> str:
    count = events.unreadable_lines(path)
    return f"{count} of its lines cannot be read" if count else ""


def _secret(path: Path) -> str:
    return "" if secret_in(path) else "it holds no secret that a program could send"


def _identity(path: Path) -> str:
    try:
        content = json.loads(path.read_bytes())
        is_sound = isinstance(content["id"], str) and content["id"].isprintable() and 0 < len(content["id"]) <= 128
    except (ValueError, TypeError, KeyError, RecursionError):
        is_sound = False
    return "" if is_sound else 'it does not hold {"id": "..."}'
