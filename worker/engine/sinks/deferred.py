"""Files of a results folder that may not take anything for a while: what was not written is kept and written later."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from worker.common.disk import remedy_of
from worker.engine.atomic import write_text

#: What one file may keep in memory. Beyond it the refusal ends the training, which goes on from its last checkpoint.
MOST_KEPT = 64 << 20
RETRY_SECONDS = 5.0

Tell = Callable[[str], None]


class Flushed(Protocol):
    def flush(self) -> bool:
        """Has everything been written? Raises OSError for what even memory does not hold any more."""


class Refusals:
    """Which files of one results folder cannot be written, told once when it begins and once when it is over."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._refused: dict[str, OSError] = {}
        #: Of which something is gone that cannot be written again.
        self._truncated: dict[str, str] = {}
        self._tell: Tell = lambda _: None

    def tell_by(self, tell: Tell) -> None:
        self._tell = tell

    @property
    def refused(self) -> tuple[str, ...]:
        """The names of the files of which something is not written yet, or gone."""
        return tuple(dict.fromkeys((*self._refused, *self._truncated)))

    @property
    def reasons(self) -> str:
        """The names with the reasons: "history.csv (No space left on device), train.log (Permission denied)"."""
        told = {name: error.strerror or str(error) for name, error in self._refused.items()} | self._truncated
        return ", ".join(f"{name} ({reason})" for name, reason in told.items())

    def note(self, name: str, error: OSError) -> None:
        is_first = not self._refused
        self._refused[name] = error
        if is_first:
            self._tell(
                f"{self._root / name} cannot be written: {error.strerror or error}. The training goes on, and keeps in "
                f"memory what it has to write; {remedy_of(error, self._root)}"
            )

    def note_truncated(self, name: str, how: str) -> None:
        """What was written before is not all there any more, and nobody here has it."""
        if name not in self._truncated:
            self._truncated[name] = how
            self._tell(f"{self._root / name} {how} by something else: what it held before is missing from it")

    def clear(self, name: str) -> None:
        if self._refused.pop(name, None) is not None and not self._refused:
            self._tell(f"the files of {self._root} are written again, with what was kept meanwhile")

    def write_last(self, files: Mapping[str, Flushed]) -> None:
        """Has `files`, by their names and in their order, write what they still keep; notes each that cannot."""
        for name, file in files.items():
            try:
                file.flush()
            except OSError as error:
                self._refused[name] = error


class DeferredFile:
    """One text file, appended to or replaced as a whole. What cannot be written is kept and tried again.

    Raises OSError where that is more than MOST_KEPT.
    """

    def __init__(self, path: Path, refusals: Refusals) -> None:
        self._path = path
        self._refusals = refusals
        #: What the file is to hold instead of what it holds, and what follows that.
        self._whole: str | None = None
        self._rest: list[str] = []
        self._kept = 0
        self._tried_at = -RETRY_SECONDS
        #: How long the file was when it was last written; None before.
        self._length: int | None = None

    def append(self, text: str) -> None:
        self._rest.append(text)
        self._kept += len(text)
        self.flush(is_urgent=False)

    def replace(self, text: str) -> None:
        self._whole, self._rest, self._kept = text, [], len(text)
        self.flush(is_urgent=False)

    def flush(self, *, is_urgent: bool = True) -> bool:
        """Has everything been written? It is not tried again at once, unless that is urgent."""
        if self._whole is None and not self._rest:
            return True
        is_refused = self._path.name in self._refusals.refused
        if is_refused and not is_urgent and time.monotonic() - self._tried_at < RETRY_SECONDS:
            return False
        self._tried_at = time.monotonic()
        try:
            self._write()
        except OSError as error:
            if self._kept > MOST_KEPT:
                raise
            self._refusals.note(self._path.name, error)
            return False
        self._whole, self._rest, self._kept = None, [], 0
        self._refusals.clear(self._path.name)
        return True

    def _write(self) -> None:
        rest = "".join(self._rest)
        if self._whole is not None:
            write_text(self._path, self._whole + rest)
            self._length = len((self._whole + rest).encode())
            return
        before = append_whole(self._path, rest)
        if self._length is not None and before < self._length:
            self._refusals.note_truncated(self._path.name, "was cut short" if before else "was emptied or removed")
        self._length = before + len(rest.encode())


def append_whole(path: Path, text: str) -> int:
    """All of it or nothing: no line is torn by a disk that fills up within it. The length before it. Raises OSError."""
    # A pipe that nobody reads would be waited for without end.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "ab", buffering=0) as file:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is a pipe", str(path))
        end = file.seek(0, os.SEEK_END)
        left = memoryview(text.encode("utf-8"))
        try:
            while left:
                left = left[file.write(left) :]
        except OSError:
            with suppress(OSError):
                file.truncate(end)
            raise
    return end
