"""The files of a run, below the storage root; nothing else is ever opened, whatever a path in the database says."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from pathlib import Path, PurePosixPath

from sqlalchemy.orm import Session

from backend.db.tables import Checkpoint
from backend.errors import Conflict, NotFound

log = logging.getLogger(__name__)


def checkpoint_path(session: Session, files: Path, *, run_id: str, checkpoint_id: str) -> Path:
    """Where the checkpoint lies on this machine. Raises NotFound, or Conflict where another root holds it."""
    # More digits than this are no row's number.
    is_number = checkpoint_id.isascii() and checkpoint_id.isdecimal() and len(checkpoint_id) < 10
    checkpoint = session.get(Checkpoint, int(checkpoint_id)) if is_number else None
    if checkpoint is None or checkpoint.run_id != run_id:
        raise NotFound(f"run {run_id!r} has no checkpoint {checkpoint_id!r}")
    if checkpoint.root_id != root_id(files):
        raise Conflict(f"checkpoint {checkpoint_id} lies on storage {checkpoint.root_id}, which is not mounted here")
    found = path_below(files, checkpoint.path)
    if found is None or not found.is_file():
        raise NotFound(f"the file of checkpoint {checkpoint_id} is not there any more")
    return found


def root_id(files: Path) -> str | None:
    """Which storage root this is, as the worker that made it wrote down."""
    try:
        content = json.loads((files / "root.json").read_text())
    except (OSError, ValueError):
        return None
    return str(content["id"]) if isinstance(content, dict) and "id" in content else None


def path_below(files: Path, path: str) -> Path | None:
    """`path` below `files`; None where it leads out of it or through a link."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or "\0" in path or ".." in parts:
        return None
    found = files
    for part in parts:
        found = found / part
        if found.is_symlink():
            return None
    return found


def delete_files(files: Path, run_id: str) -> None:
    """Removes the folder of a deleted run, beside the request: checkpoints may be many gigabytes."""
    folder = path_below(files, f"runs/{run_id}")
    if folder is not None and folder.is_dir():
        threading.Thread(target=_remove, args=(folder,), name=f"delete-{run_id}", daemon=True).start()


def _remove(folder: Path) -> None:
    def tell(_function: object, path: str, failure: object) -> None:
        log.warning("%s of a deleted run could not be removed: %s", path, failure)

    shutil.rmtree(folder, onerror=tell)
