"""What the holder of a lock writes beside it: who it is, touched every few seconds for as long as it lives."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from worker.common.processes import birth, is_alive, machine_boot, number_space

#: A filesystem may keep times to two seconds (FAT), and show another machine's change some seconds late (NFS).
BEAT_SECONDS = 5.0
#: A note of another machine that stands still for so long is nobody's any more.
SILENT_SECONDS = 20.0
_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Holder:
    """`boot`, `numbers` and `born` tell its process from others of the same number; `token` is drawn anew each time."""

    host: str
    pid: int
    boot: str
    numbers: str
    born: str
    token: str

    @classmethod
    def this_process(cls) -> Holder:
        pid = os.getpid()
        return cls(socket.gethostname(), pid, machine_boot(), number_space(), birth(pid), uuid.uuid4().hex)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class LockNote:
    def __init__(self, lock: Path) -> None:
        self._path = lock.with_name(lock.name + ".holder")

    def holder(self) -> Holder | None:
        """None where there is no note, or none that can be read."""
        try:
            return Holder(**json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def leave(self, holder: Holder) -> bool:
        """False where there is a note already. Raises OSError."""
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(holder)) + "\n")
        return True

    def touch(self, own: Holder) -> Holder | None:
        """Who has taken over, if anybody has. A note that somebody deleted is written again."""
        found = self.holder()
        if found is not None and found.token != own.token:
            return found
        with suppress(OSError):
            os.utime(self._path) if found else self.leave(own)
        return None

    def take_away(self, own: Holder) -> None:
        if self.holder() == own:
            with suppress(OSError):
                self._path.unlink()

    def is_alive(self, found: Holder | None, *, same_kernel_locks: bool) -> bool:
        """Is the note's holder at work? Takes a while to tell of another machine's, by seeing whether it is touched.

        `same_kernel_locks` says that the lock itself was free, for which no process of this kernel can have it: the
        note came with a copy of the folder, whose holder may well live and have the lock of the folder it was made of.
        """
        if found is not None and found.boot and found.boot == machine_boot():
            if same_kernel_locks:
                return False
            if found.numbers == number_space():
                return is_alive(found.pid, found.born)
        first, until = self._beat(), time.monotonic() + SILENT_SECONDS
        while first is not None and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
            now = self._beat()
            if now != first:
                return now is not None
        return False

    def remove(self, found: Holder | None, *, impatient: bool) -> bool:
        """Takes away the note of one that is gone. False where somebody else is about to; of several one may.

        `impatient` takes that one for dead as well. Raises OSError.
        """
        mark = self._path.with_name(f"{self._path.name}.{found.token if found else 'torn'}")
        try:
            os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            if impatient:
                mark.unlink(missing_ok=True)
            return False
        try:
            if self.holder() == found:
                self._path.unlink(missing_ok=True)
        finally:
            mark.unlink(missing_ok=True)
        return True

    def _beat(self) -> tuple[int, bytes] | None:
        """Changes with every touch and every holder. Opened anew each time, for which NFS asks its server."""
        try:
            with self._path.open("rb") as file:
                return os.fstat(file.fileno()).st_mtime_ns, file.read()
        except OSError:
            return None
