"""What can be wrong with the images."""

from __future__ import annotations

import os
from pathlib import Path

from worker.contract.text import shown


class DataError(ValueError):
    """The images are not there, not whole, or do not fit the configuration; says which, and what to do."""


class DataUnreadable(DataError):
    """The images were there and can no longer be had. A training ends with it, after a checkpoint."""


class Undecodable(ValueError):
    """A file's bytes are not an image, or not a whole one; says why."""


def shown_path(path: str) -> str:
    """A file's name for people: what is no text in it, or would break a line, is escaped. It can always be written."""
    return shown(os.fsencode(path).decode(errors="backslashreplace"))


def existing_folder(data_dir: str) -> Path:
    root = Path(data_dir)
    if not root.exists():
        raise DataError(f"data_dir {data_dir} does not exist on this machine; give the folder that holds the images")
    if not root.is_dir():
        raise DataError(f"data_dir {data_dir} is not a folder; give the folder that holds the images")
    return root
