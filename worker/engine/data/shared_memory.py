"""Whether loader processes can hand batches over in shared memory: containers often have 64 MiB of it."""

from __future__ import annotations

import shutil
from pathlib import Path

PLACE = Path("/dev/shm")
#: Batches that a loader process has ready or in work, as torch's loader sets it.
PREFETCHED = 2
#: Training's loader waits with its batches while validation has its own.
LOADERS = 2


def needed_bytes(*, batch_bytes: int, workers: int) -> int:
    """At most, with one batch being taken and one being given."""
    return LOADERS * batch_bytes * (PREFETCHED * workers + 2)


def shortage(*, batch_bytes: int, workers: int, processes: int = 1) -> str | None:
    """A sentence where the shared memory is too small for `processes` trainings with `workers` loaders each.

    A process that writes to shared memory that is full is ended by a bus error, so it has to be known before.
    """
    if workers == 0 or not PLACE.is_dir():
        return None
    needed = processes * needed_bytes(batch_bytes=batch_bytes, workers=workers)
    free = shutil.disk_usage(PLACE).free
    if needed <= free:
        return None
    return (
        f"{PLACE} has {free >> 20} MiB free and {workers} loader processes may need {_mib(needed)}: batches go through "
        f"a pipe instead, which is slower; give the container that much (docker run --shm-size {_mib(needed, 'm')})"
    )


def _mib(count: int, unit: str = " MiB") -> str:
    return f"{-(-count // 2**20)}{unit}"
