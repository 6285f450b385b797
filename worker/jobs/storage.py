"""Whether this worker can write what a training needs: messages to the spool, checkpoints to the storage root."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from worker.common.disk import Reserve, Room, room_at, shown_size
from worker.contract.messages import DiskRoom
from worker.contract.numbers import LARGEST_BYTES

LOOK_SECONDS = 2.0
#: Of the reserve, so much has to be free before anything begins; a training goes on down to the reserve itself.
_START_SHARE = 1.5
#: Of one checkpoint: one may come before the next look, and one when the training is told to make way.
_CHECKPOINTS_TO_COME = 2
_PROBE_BYTES = 4096

log = logging.getLogger(__name__)


class Storage:
    """Looked at by a thread of its own, for a network filesystem may keep whoever asks it waiting. Thread-safe."""

    def __init__(self, *, spool: Path, files: Path, reserve: Reserve, changed: Callable[[], None]) -> None:
        """`changed` is called when the worker has become unable, or able again, to take runs."""
        self._folders = (spool, files / "runs")
        self._reserve = reserve
        self._changed = changed
        self._rooms: Sequence[Room] = ()
        self._refusal: str | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storage", daemon=True)

    @property
    def unavailable_reason(self) -> str | None:
        """Why no run is taken at the moment, as of the last look."""
        return self._refusal or self._short_of(_START_SHARE, 0)

    @property
    def files_room(self) -> DiskRoom | None:
        """Where the checkpoints go."""
        if not self._rooms:
            return None
        room = self._rooms[-1]
        reserve = self._reserve.bytes_of(room.total_bytes)
        # Some network filesystems are said to be endless.
        sizes = (min(size, LARGEST_BYTES) for size in (room.free_bytes, room.total_bytes, reserve))
        free, total, kept = sizes
        return DiskRoom(free_bytes=free, total_bytes=total, reserve_bytes=kept)

    def start_shortage(self, checkpoint_bytes: int) -> str | None:
        """Why a run with such checkpoints is not begun."""
        if self.unavailable_reason is not None:
            return self.unavailable_reason
        room = self.files_room
        needed = room.needed_to_start(checkpoint_bytes) if room is not None else 0
        return f"{self._rooms[-1]}, {shown_size(needed)} are needed" if room and room.free_bytes < needed else None

    def shortage(self, checkpoint_bytes: int) -> str | None:
        """Why a training with such checkpoints should make way while it still can write one."""
        return self._short_of(1.0, _CHECKPOINTS_TO_COME * checkpoint_bytes)

    def look(self) -> None:
        """Looks now."""
        before = self.unavailable_reason
        self._refusal = self._try_to_write()
        rooms = []
        for folder in self._folders:
            try:
                rooms.append(room_at(folder))
            except OSError as error:
                self._refusal = self._refusal or _refused(folder, error)
        self._rooms = rooms
        after = self.unavailable_reason
        if (before is None) != (after is None):
            log.warning("%s", f"no run is taken: {after}" if after else "runs are taken again")
            self._changed()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()

    def _run(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception:  # the edge of the thread
                log.exception("the storage could not be looked at")

    def _try_to_write(self) -> str | None:
        """Rights, quotas and a filesystem that was made read-only show in nothing else."""
        for folder in self._folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder) as probe:
                    probe.write(bytes(_PROBE_BYTES))
                    probe.flush()
            except OSError as error:
                return _refused(folder, error)
        return None

    def _short_of(self, reserves: float, more_bytes: int) -> str | None:
        for room in self._rooms:
            # Only the last holds checkpoints.
            wanted = int(reserves * self._reserve.bytes_of(room.total_bytes))
            wanted += more_bytes if room is self._rooms[-1] else 0
            if room.lacks(wanted):
                return f"{room}, {shown_size(wanted)} are needed"
        return None


def _refused(folder: Path, error: OSError) -> str:
    return f"{folder} cannot be written to ({error.strerror})"
