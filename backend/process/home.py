"""The folder in which one ResDrop keeps everything, and who may use it at a time."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from backend.process.errors import CommandError
from backend.settings import DEFAULT_HOME

#: `status` and `down` take the lock for a moment to see whether it is held.
_LOCK_TRIES = 3


@dataclass(frozen=True)
class Address:
    """Where the service that uses a home is reached, and the process that supervises its parts."""

    url: str
    host: str
    port: int
    pid: int
    born: str
    started_at: str


@dataclass(frozen=True)
class Home:
    path: Path

    @classmethod
    def chosen(cls, given: str | None, environment: Mapping[str, str] = os.environ) -> Home:
        """`--home`, else RESDROP_HOME, else the folder in the user's own home."""
        return cls(Path(given or environment.get("RESDROP_HOME") or DEFAULT_HOME).expanduser().absolute())

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def redis(self) -> Path:
        return self.path / "redis"

    @property
    def events(self) -> Path:
        return self.logs / "events.jsonl"

    def prepare(self) -> None:
        """Makes the folders. Raises CommandError where the home cannot be made or written to."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.logs, self.redis, self.path / "files", self.path / "worker"):
                folder.mkdir(mode=0o700, exist_ok=True)
            probe = self.path / ".writable"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise CommandError(
                f"The home {self.path} cannot be written to ({error.strerror}). "
                "Choose another with --home, or give yourself the right to write there."
            ) from error

    @contextmanager
    def held(self) -> Iterator[int]:
        """Holds the home for one `up` and yields the lock's descriptor; whoever inherits it holds it too.

        Raises CommandError when another has it.
        """
        descriptor = os.open(self.path / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _locks(descriptor, tries=_LOCK_TRIES):
                raise CommandError(self._taken())
            yield descriptor
        finally:
            os.close(descriptor)

    def is_held(self) -> bool:
        """Is an `up` using it?"""
        try:
            descriptor = os.open(self.path / "up.lock", os.O_RDWR)
        except OSError:
            return False
        try:
            return not _locks(descriptor)
        finally:
            os.close(descriptor)

    def _taken(self) -> str:
        found = self.address()
        where = f" at {found.url}" if found else ""
        return (
            f"ResDrop is already running on {self.path}{where}. "
            "Stop it with `resdrop down`, or choose another --home (and --port) to run a second one."
        )

    def address(self) -> Address | None:
        """Of the `up` that uses the home now, or None."""
        try:
            found = Address(**json.loads((self.path / "up.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return found if self.is_held() else None

    def publish(self, address: Address) -> None:
        write_private(self.path / "up.json", json.dumps(asdict(address), indent=2) + "\n")

    def unpublish(self) -> None:
        (self.path / "up.json").unlink(missing_ok=True)

    def token(self) -> str | None:
        """The secret that the API asks for when it listens beyond this machine, if one was ever made."""
        try:
            return (self.path / "token").read_text().strip() or None
        except OSError:
            return None

    def kept_token(self) -> str:
        """As `token`, made now if there is none."""
        found = self.token()
        if found is None:
            found = secrets.token_urlsafe(24)
            write_private(self.path / "token", found + "\n")
        return found


def _locks(descriptor: int, tries: int = 1) -> bool:
    for remaining in reversed(range(tries)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if remaining:
                time.sleep(0.1)
    return False


def write_private(path: Path, text: str) -> None:
    """Replaces a file as a whole by one that only its owner can read."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
