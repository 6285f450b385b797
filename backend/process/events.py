"""What happens to the parts, one line of JSON each: written by the supervisor, read by `up`, `down` and `status`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path


class Happening(StrEnum):
    STARTED = "started"
    DIED = "died"
    STOPPING = "stopping"
    STOPPED = "stopped"


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


def append(path: Path, event: Event) -> None:
    with path.open("a") as file:
        file.write(json.dumps(asdict(event)) + "\n")


class EventReader:
    """Reads on where it stopped; `from_end` skips what already happened."""

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self._path = path
        self._offset = path.stat().st_size if from_end and path.exists() else 0
        self._partial = b""

    def new(self) -> Iterator[Event]:
        """What came since the last call; a line that is not yet whole waits for the next."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                read = file.read()
        except FileNotFoundError:
            return
        self._offset += len(read)
        *lines, self._partial = (self._partial + read).split(b"\n")
        for line in lines:
            yield _parsed(line)


def _parsed(line: bytes) -> Event:
    fields = json.loads(line)
    return Event(**{**fields, "what": Happening(fields["what"])})


def processes(path: Path) -> dict[str, Event]:
    """The last that is known of each part, by name, with the number and birth of its last process."""
    known: dict[str, Event] = {}
    for event in EventReader(path).new():
        before = known.get(event.program)
        if before is not None and event.what is not Happening.STARTED:
            event = replace(event, pid=before.pid, born=before.born)
        known[event.program] = event
    return known
