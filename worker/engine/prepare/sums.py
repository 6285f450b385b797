"""Whether the archives are the official ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from worker.engine.prepare.release import Archive, PrepareRefused, Release
from worker.engine.prepare.state import State
from worker.engine.progress_line import MEGABYTE, ProgressLine

CHUNK = 1 << 22


def refuse_missing(release: Release, folder: Path) -> None:
    """Raises PrepareRefused."""
    missing = [archive.name for archive in release.archives if not (folder / archive.name).is_file()]
    if missing:
        raise PrepareRefused(
            f"{folder} lacks {', '.join(missing)}; download what is missing from image-net.org, which takes an account "
            "and its terms of access, and keep the names"
        )


def check_sums(archives: Sequence[Archive], folder: Path, state: State) -> None:
    """A sum that was right stays so while size and time of change do. Raises PrepareRefused."""
    for archive in archives:
        path = folder / archive.name
        if state.sum_of(path) != archive.md5:
            found = _md5(path)
            if found != archive.md5:
                raise PrepareRefused(
                    f"{path} has the MD5 sum {found}, the official one has {archive.md5}; download it again"
                )
            state.note_sum(path, found)


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    progress = ProgressLine(f"checking {path.name}", path.stat().st_size // MEGABYTE, unit="MB")
    told = seen = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            seen += len(chunk)
            progress.add(seen // MEGABYTE - told, bytes_read=len(chunk))
            told = seen // MEGABYTE
    progress.close()
    return digest.hexdigest()
