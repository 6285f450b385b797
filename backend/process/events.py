"""What happens to the parts, one line of JSON each: written by the supervisor, read by `up`, `down` and `status`.

The disk may be full while the file is written, and the file damaged when it is read: what cannot be written waits, and
a line that cannot be read is passed over.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

#: A longer file is replaced by one with the last event of each part.
MOST_BYTES = 512_000
#: While the disk takes nothing, the oldest are forgotten first.
_MOST_WAITING = 200


class Happening(StrEnum):
    STARTED = "started"
    DIED = "died"
    STOPPING = "stopping"
    STOPPED = "stopped"
    #: Something that a person should know; `detail` is the sentence.
    NOTED = "noted"


@dataclass(frozen=True)
class Event:
    """`detail` says how a process ended."""

    at: str
    what: Happening
    program: str
    pid: int = 0
    born: str | None = None
    detail: str = ""
    #: Until it is started again; None when it is not.
    again_in_seconds: float | None = None
    #: Deaths in a row, each soon after its start.
    deaths: int = 0


class EventLog:
    """The supervisor's end of the file. What the disk refuses is written as soon as it takes it again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: deque[Event] = deque(maxlen=_MOST_WAITING)

    def append(self, event: Event) -> None:
        """Raises OSError where the disk refuses it; it is kept for the next `flush` then."""
        self._waiting.append(event)
        self.flush()

    def flush(self) -> None:
        """Raises OSError."""
        while self._waiting:
            _append(self._path, self._waiting[0])
            self._waiting.popleft()
        if self._path.stat().st_size > MOST_BYTES:
            self._shorten()

    def _shorten(self) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.write_bytes(b"".join(_line(event) for event in processes(self._path).values()))
        fresh.replace(self._path)


def _append(path: Path, event: Event) -> None:
    """The whole line or nothing of it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size, line = os.fstat(descriptor).st_size, _line(event)
        try:
            while line:
                # A disk that is nearly full takes a part, and refuses the rest.
                line = line[os.write(descriptor, line) :]
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _line(event: Event) -> bytes:
    return json.dumps(asdict(event)).encode() + b"\n"


class EventReader:
    """Reads on where it stopped; `from_end` skips what already happened."""

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self._path = path
        self._offset, self._inode, self._partial = 0, 0, b""
        self._told_until = self._skip_until = ""
        if from_end:
            with contextlib.suppress(OSError):
                found = path.stat()
                self._offset, self._inode = found.st_size, found.st_ino
            self._told_until = datetime.now(UTC).isoformat(timespec="milliseconds")

    def new(self) -> Iterator[Event]:
        """What came since the last call; a line that is not yet whole waits for the next."""
        *lines, self._partial = (self._partial + self._read()).split(b"\n")
        for event in filter(None, map(parsed, lines)):
            if event.at > self._skip_until:
                self._told_until = event.at
                yield event

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                self._find_place(os.fstat(file.fileno()))
                file.seek(self._offset)
                read = file.read()
        except OSError:
            return b""
        self._offset += len(read)
        return read

    def _find_place(self, found: os.stat_result) -> None:
        """A file that was begun anew is read from its beginning; one that was shortened repeats some events."""
        if self._inode not in (0, found.st_ino):
            self._skip_until = self._told_until
        if self._inode != found.st_ino or found.st_size < self._offset:
            self._offset, self._partial = 0, b""
        self._inode = found.st_ino


def parsed(line: bytes) -> Event | None:
    """None for a line that is no event: torn, damaged, or of another version. Fields that are new to us are dropped."""
    try:
        found = json.loads(line)
        values = {name: found[name] for name in _FIELDS if name in found}
        event = Event(**{**values, "what": Happening(values["what"])})
        is_sound = all(isinstance(getattr(event, name), kinds) for name, kinds in _KINDS.items())
        is_dated = is_sound and datetime.fromisoformat(event.at).tzinfo is not None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return event if is_dated and event.program and event.pid >= 0 else None


_FIELDS = tuple(field.name for field in fields(Event))
_KINDS: dict[str, Any] = {
    **{"at": str, "program": str, "pid": int, "born": str | None, "detail": str},
    **{"again_in_seconds": int | float | None, "deaths": int},
}


def unreadable_lines(path: Path) -> int:
    """How many lines are no events. Raises OSError."""
    lines = path.read_bytes().split(b"\n")
    return sum(parsed(line) is None for line in lines if line)


def processes(path: Path) -> dict[str, Event]:
    """The last that is known of each part, by name, with the number and birth of its last process."""
    known: dict[str, Event] = {}
    for event in EventReader(path).new():
        if event.what is Happening.NOTED:
            continue
        before = known.get(event.program)
        if before is not None and event.what is not Happening.STARTED:
            event = replace(event, pid=before.pid, born=before.born)
        known[event.program] = event
    return known
