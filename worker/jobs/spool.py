"""An attempt's messages on the worker's own disk, until the controller has them in SQL.

A file of JSON lines: who wrote it, then one message a line. It is flushed and not synced: what a power failure takes
from it is only what the next attempt, which goes on from a checkpoint, repeats.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from worker.contract.messages import MESSAGE, Sequenced

_SUFFIX = ".jsonl"

log = logging.getLogger(__name__)


class SpoolHeader(BaseModel):
    """Whose messages follow, and the number after which they begin."""

    model_config = ConfigDict(frozen=True)

    worker_id: str
    boot_id: str
    run_id: str
    attempt: int
    claim_id: str
    begins_after: int = 0
    #: The trainer's process id and what tells it from a later process with the same id.
    trainer_pid: int | None = None
    trainer_mark: str = ""


class Spool:
    """The file of one attempt, open for appending. Not thread-safe; its outbox holds the lock."""

    def __init__(self, path: Path, header: SpoolHeader, file: IO[str]) -> None:
        self.header = header
        self.path = path
        self._file = file
        self._is_broken = False

    @classmethod
    def create(cls, folder: Path, header: SpoolHeader) -> Spool:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{header.run_id}.{header.attempt}.{header.claim_id}{_SUFFIX}"
        return cls(path, header, _begin(path, header))

    def append(self, message: str) -> None:
        """A disk that is full ends the spool, not the training: what comes now is lost only if the worker dies too."""
        if self._is_broken:
            return
        try:
            self._file.write(message + "\n")
            self._file.flush()
        except OSError as error:
            self._is_broken = True
            log.error("run %s: the spool %s cannot be written any more: %s", self.header.run_id, self.path, error)

    def size(self) -> int:
        return self._file.tell()

    def compact(self, remaining: Iterable[str], *, begins_after: int) -> None:
        """Replaces the file by one that holds only `remaining`, the messages after number `begins_after`."""
        self.header = self.header.model_copy(update={"begins_after": begins_after})
        fresh = self.path.with_suffix(".new")
        file = _begin(fresh, self.header)
        file.writelines(message + "\n" for message in remaining)
        file.flush()
        fresh.replace(self.path)
        self._close()
        self._file = file
        self._is_broken = False

    def delete(self) -> None:
        self._close()
        self.path.unlink(missing_ok=True)

    def _close(self) -> None:
        with contextlib.suppress(OSError):  # what a full disk left unwritten
            self._file.close()


def _begin(path: Path, header: SpoolHeader) -> IO[str]:
    file = path.open("w", encoding="utf-8")
    file.write(header.model_dump_json() + "\n")
    file.flush()
    return file


def read_spool(path: Path) -> tuple[Spool, list[Sequenced]] | None:
    """An earlier boot's spool and its messages; None when not even the header is whole.

    A last line that was torn is cut off, so that more can be appended.
    """
    with path.open("rb") as file:
        lines = file.read().splitlines(keepends=True)
    try:
        header = SpoolHeader.model_validate_json(lines[0])
    except (IndexError, ValidationError):
        return None
    messages, length = _sound_messages(lines[1:])
    os.truncate(path, len(lines[0]) + length)
    return Spool(path, header, path.open("a", encoding="utf-8")), messages


def _sound_messages(lines: list[bytes]) -> tuple[list[Sequenced], int]:
    """The messages up to the first line that is not whole, and their length in bytes."""
    found: list[Sequenced] = []
    length = 0
    for line in lines:
        try:
            message = MESSAGE.validate_json(line)
        except ValidationError:
            break
        if not line.endswith(b"\n") or not isinstance(message, Sequenced):
            break
        found.append(message)
        length += len(line)
    return found, length


def spool_paths(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{_SUFFIX}"))
