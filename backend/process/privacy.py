"""Keeping what a home holds to the account whose home it is."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from backend.process.errors import CommandError

#: For processes that write into a home: files are made 600, folders 700.
PRIVATE_UMASK = 0o077


def make_private(home: Path, say: Callable[[str], None]) -> None:
    """Takes every right on an existing home from other accounts, and tells so where they had any.

    Raises CommandError where the home, or what lies in it, is another account's: it may have been laid out for us.
    """
    if home.is_symlink():
        _refuse_another_accounts(home, what=f"The link {home}")
    if not home.exists():
        return
    place = home.resolve()
    _warn_of_parent(place.parent, home, say)
    _refuse_another_accounts(place, what=f"The home {home}")
    for path in _entries(place):
        _refuse_another_accounts(path, what=f"{path}, in the home {home},")
    closed = _closed([place]) + _closed(_below(place))
    if _is_open(place.stat()):
        say(
            f"the filesystem of {home} keeps no permissions, so other accounts may read what is in it; "
            "choose a --home on another one"
        )
    elif closed:
        what = "1 file or folder" if closed == 1 else f"{closed} files and folders"
        say(f"{home} is private now: other accounts of this machine had rights on {what} of it")


def _warn_of_parent(parent: Path, home: Path, say: Callable[[str], None]) -> None:
    """Who may write into a folder may put another in the place of one that lies in it, unless that is sticky."""
    mode = parent.stat().st_mode
    if mode & 0o002 and not mode & stat.S_ISVTX:
        say(
            f"other accounts may rename or replace {home}, because every account may write into {parent}; "
            f"take that right away (chmod o-w {parent}), or choose another --home"
        )


def _entries(home: Path) -> list[Path]:
    try:
        return sorted(home.iterdir())
    except OSError:  # told by whoever needs the home
        return []


def _refuse_another_accounts(path: Path, *, what: str) -> None:
    owner = path.lstat().st_uid
    if owner == os.geteuid():
        return
    raise CommandError(
        f"{what} belongs to the account {_name(owner)}, not to {_name(os.geteuid())}, which runs this; choose another "
        f"with --home, or have it given to {_name(os.geteuid())} (chown -R)."
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _below(home: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(home):
        yield from (Path(folder) / name for name in (*folders, *files))


def _closed(paths: Iterable[Path]) -> int:
    """How many of them had rights for others, which they have lost."""
    count = 0
    for path in paths:
        try:
            found = path.lstat()
            if _is_open(found):
                path.chmod(stat.S_IMODE(found.st_mode) & ~PRIVATE_UMASK)
                count += 1
        except OSError:  # gone meanwhile, or another account's: nobody gets there through a private home
            continue
    return count


def _is_open(found: os.stat_result) -> bool:
    return not stat.S_ISLNK(found.st_mode) and bool(found.st_mode & PRIVATE_UMASK)
