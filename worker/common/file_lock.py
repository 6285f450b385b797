"""A lock on a file, for one process at a time: also without flock, and as far as possible across machines.

flock(2) ends with its holder, however that dies. Lustre mounted without `flock` has none (ENOSYS), nor has NFS without
its lock daemon (ENOLCK), nor have some network and user-space filesystems (EOPNOTSUPP); and some mounts keep it from
other machines (Lustre's `localflock`, NFS's `local_lock`). So a holder also leaves a note beside the file. A note
counts for as long as its process lives, which its own machine knows, or while it is being touched, as others see. No
two machines' clocks are compared.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.common.flock import NO_FLOCK, flock
from worker.common.forks import forget, keep_from_forks
from worker.common.lock_note import BEAT_SECONDS, Holder, LockNote

_WAIT_SECONDS = 0.5
#: What it may take another process to remove the note of one that is gone, if it does not die of it.
_REMOVAL_SECONDS, _REMOVAL_POLL_SECONDS = 10.0, 0.05


class LockTaken(Exception):
    """Somebody has the lock; `holder` says who, where that is known."""

    def __init__(self, path: Path, holder: Holder | None) -> None:
        self.who = str(holder) if holder else "another process"
        super().__init__(f"{self.who} holds {path}")


@contextmanager
def exclusive(
    path: Path,
    *,
    wait: Callable[[LockTaken], None] | None = None,
    lost: Callable[[Holder], None] | None = None,
) -> Iterator[None]:
    """Holds the lock `path`, a file that stays. Raises LockTaken, and OSError where the file cannot be made.

    With `wait` it waits for whoever has it, after telling `wait` once. `lost` is called, in a thread, with whoever
    takes the lock over while it is held, as another machine may after this process stood still for very long.
    """
    lock = _taken(path) if wait is None else _waited_for(path, wait)
    try:
        with _beating(lock, lost):
            yield
    finally:
        lock.release()


class _Lock:
    def __init__(self, descriptor: int, note: LockNote, holder: Holder) -> None:
        self._descriptor = descriptor
        self.note = note
        self.holder = holder
        keep_from_forks(descriptor)

    def release(self) -> None:
        """The note first: whoever finds the lock free takes a note that is still there for a dead one's."""
        self.note.take_away(self.holder)
        forget(self._descriptor)
        os.close(self._descriptor)


def _waited_for(path: Path, wait: Callable[[LockTaken], None]) -> _Lock:
    is_told = False
    while True:
        try:
            return _taken(path)
        except LockTaken as taken:
            if not is_told:
                wait(taken)
                is_told = True
            time.sleep(_WAIT_SECONDS)


def _taken(path: Path) -> _Lock:
    """Raises LockTaken and OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        note, own = LockNote(path), Holder.this_process()
        has_flock = _flock(descriptor, path, note)
        try:
            _leave_note(note, own, path, has_flock=has_flock)
        except OSError:
            # With flock the note is only a word to others, which a full disk does not take.
            if not has_flock:
                raise
        return _Lock(descriptor, note, own)
    except BaseException:
        os.close(descriptor)
        raise


def _flock(descriptor: int, path: Path, note: LockNote) -> bool:
    """False where the filesystem has no such thing. Raises LockTaken and OSError."""
    try:
        is_taken = flock(descriptor)
    except OSError as error:
        if error.errno not in NO_FLOCK:
            raise
        return False
    if not is_taken:
        raise LockTaken(path, note.holder())
    return True


def _leave_note(note: LockNote, own: Holder, path: Path, *, has_flock: bool) -> None:
    until = time.monotonic() + _REMOVAL_SECONDS
    while not note.leave(own):
        found = note.holder()
        if note.is_alive(found, same_kernel_locks=has_flock):
            raise LockTaken(path, found)
        if not note.remove(found, impatient=time.monotonic() > until):
            # Another is at it, and will have the lock in a moment.
            time.sleep(_REMOVAL_POLL_SECONDS)


@contextmanager
def _beating(lock: _Lock, lost: Callable[[Holder], None] | None) -> Iterator[None]:
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            other = lock.note.touch(lock.holder)
            if other is not None:
                if lost is not None:
                    lost(other)
                return

    heart = threading.Thread(target=beat, name=f"lock {lock.holder.token[:8]}", daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        # It may be waiting for a filesystem that does not answer.
        heart.join(BEAT_SECONDS)
