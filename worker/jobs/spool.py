"""An attempt's messages on the worker's own disk, until the controller has them in SQL.

A file of JSON lines: who wrote it, then one message a line. It is flushed and not synced: what a power failure takes
from it is only what the next attempt, which goes on from a checkpoint, repeats.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worker.contract.messages import MESSAGE, Sequenced
from worker.contract.numbers import LARGEST_COUNTED, Count

_SUFFIX, _FRESH_SUFFIX = ".jsonl", ".new"
#: So often it is seen whether the file is still in its place.
_LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


class SpoolHeader(BaseModel):
    """Whose messages follow, and the number after which they begin."""

    model_config = ConfigDict(frozen=True)

    worker_id: str
    boot_id: str
    run_id: str
    attempt: Count
    claim_id: str
    begins_after: Annotated[Count, Field(le=LARGEST_COUNTED)] = 0
    #: The trainer's process id and what tells it from a later process with the same id.
    trainer_pid: Annotated[Count, Field(ge=1)] | None = None
    trainer_mark: str = ""


class Spool:
    """The file of one attempt, open for appending. Not thread-safe; its outbox holds the lock.

    No disk's refusal leaves it: what it does not take is lost only if the worker dies too, and `complaint` says why.
    """

    def __init__(self, path: Path, header: SpoolHeader, file: IO[str] | None) -> None:
        self.header = header
        self.path = path
        #: Why the file does not hold all that it should; None where it does.
        self.complaint: str | None = None
        self._file = file
        self._looked_at = time.monotonic()

    @classmethod
    def create(cls, folder: Path, header: SpoolHeader) -> Spool:
        path = folder / f"{header.run_id}.{header.attempt}.{header.claim_id}{_SUFFIX}"
        spool = cls(path, header, None)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            spool._file = _begin(path, header)
        except OSError as error:
            spool._break(error)
        return spool

    def append(self, message: str) -> None:
        if self.complaint is not None or self._file is None:
            return
        try:
            self._check_place()
            self._file.write(message + "\n")
            self._file.flush()
        except OSError as error:
            self._break(error)

    def size(self) -> int:
        try:
            return os.fstat(self._file.fileno()).st_size if self._file is not None else 0
        except (OSError, ValueError):
            return 0

    def rewrite(self, remaining: Iterable[str], *, begins_after: int) -> None:
        """Replaces the file by one that holds only `remaining`, the messages after number `begins_after`."""
        fresh = self.path.with_suffix(_FRESH_SUFFIX)
        header = self.header.model_copy(update={"begins_after": begins_after})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = _begin(fresh, header)
            try:
                file.writelines(message + "\n" for message in remaining)
                file.flush()
                fresh.replace(self.path)
            except OSError:
                _close(file)
                raise
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            self._break(error)
            return
        if self._file is not None:
            _close(self._file)
        if self.complaint is not None:
            log.info("run %s: its messages are kept on the disk again", header.run_id)
        self.header, self._file, self.complaint = header, file, None

    def delete(self) -> None:
        if self._file is not None:
            _close(self._file)
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("the spool %s cannot be removed: %s", self.path, error)

    def _check_place(self) -> None:
        """Was the file taken away, or its folder? What is written to it then is nobody's. Raises OSError."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_SECONDS or self._file is None:
            return
        self._looked_at = now
        if not os.path.samestat(self.path.stat(), os.fstat(self._file.fileno())):
            raise FileNotFoundError(errno.ENOENT, "another file stands in its place", str(self.path))

    def _break(self, error: OSError) -> None:
        if self.complaint is None:
            log.error("run %s: the spool %s cannot be written: %s", self.header.run_id, self.path, error)
        self.complaint = error.strerror or str(error)


def _begin(path: Path, header: SpoolHeader) -> IO[str]:
    file = path.open("w", encoding="utf-8")
    try:
        file.write(header.model_dump_json() + "\n")
        file.flush()
    except OSError:
        _close(file)
        raise
    return file


def _close(file: IO[str]) -> None:
    with contextlib.suppress(OSError):  # what a full disk left unwritten
        file.close()


def read_spool(path: Path) -> tuple[Spool, list[Sequenced]] | None:
    """An earlier boot's spool and its messages; None when not even the header is whole.

    A last line that was torn is cut off, so that more can be appended. Raises OSError.
    """
    with path.open("rb") as file:
        lines = file.read().splitlines(keepends=True)
    try:
        header = SpoolHeader.model_validate_json(lines[0])
    except (IndexError, ValidationError):
        return None
    messages, length = _sound_messages(lines[1:])
    spool = Spool(path, header, None)
    try:
        os.truncate(path, len(lines[0]) + length)
        spool._file = path.open("a", encoding="utf-8")
    except OSError as error:
        spool._break(error)
    return spool, messages


def _sound_messages(lines: list[bytes]) -> tuple[list[Sequenced], int]:
    """The messages up to the first line that is not whole, and their length in bytes."""
    found: list[Sequenced] = []
    length = 0
    for line in lines:
        try:
            message = MESSAGE.validate_json(line)
        except ValidationError:
            break
        if not line.endswith(b"\n") or not isinstance(message, Sequenced) or message.seq > LARGEST_COUNTED:
            break
        found.append(message)
        length += len(line)
    return found, length


def spool_paths(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{_SUFFIX}"))


def unfinished_paths(folder: Path) -> list[Path]:
    """What a kill left of a spool that was being rewritten; the old one is whole."""
    return sorted(folder.glob(f"*{_FRESH_SUFFIX}"))
