"""Small files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Writes beside `path`, syncs and renames. Raises OSError, and leaves nothing then."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """As `write_text`."""
    partial = _beside(path)
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def check_writable(path: Path) -> None:
    """Before the work whose result is to go there, and without touching what is there now. Raises OSError."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    partial = _beside(path)
    partial.touch()
    partial.unlink()


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".partial")
