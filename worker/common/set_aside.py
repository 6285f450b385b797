"""Files that cannot be used: renamed beside their place and never deleted, so that a person can look at them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from itertools import count
from pathlib import Path

_MARK = ".set-aside-"


def set_aside(path: Path) -> Path:
    """Gives `path`, whatever it is, a new name with the time in it, and returns that. Raises OSError."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    names = (f"{path.name}{_MARK}{stamp}" + (f"-{number}" if number else "") for number in count())
    target = next(path.with_name(name) for name in names if not os.path.lexists(path.with_name(name)))
    path.rename(target)
    return target


def found_aside(folders: Iterable[Path]) -> list[Path]:
    """What was set aside in `folders` and has not been removed since, in the order of the names."""
    found: list[Path] = []
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                found += [folder / entry.name for entry in entries if _MARK in entry.name]
        except OSError:
            continue
    return sorted(found)
