"""The folder in which one ResDrop keeps everything, and who may use it at a time."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from backend.process.errors import CommandError
from backend.settings import DEFAULT_HOME, MOST_SECRET_BYTES
from worker.common.disk import is_full, room_at, shown_size
from worker.common.flock import flock
from worker.common.processes import is_alive
from worker.common.set_aside import set_aside

#: `status` and `down` take the lock for a moment to see whether it is held.
_LOCK_TRIES = 3
#: What the parts write before the first run: database, logs, Redis.
LEAST_FREE = 2 << 20
#: With line breaks and the like around the secret.
_MOST_SECRET_FILE_BYTES = 2 * MOST_SECRET_BYTES


@dataclass(frozen=True)
class Address:
    """Where the service that uses a home is reached, the process that supervises its parts, and `up` itself."""

    url: str
    host: str
    port: int
    pid: int
    born: str
    started_at: str
    #: 0 where a version wrote it that did not tell.
    up_pid: int = 0
    up_born: str = ""
    #: Everything was asked to stop.
    is_ending: bool = False

    @classmethod
    def parsed(cls, text: str) -> Address:
        """Raises ValueError, TypeError or KeyError for what is no address; what a newer version adds is dropped."""
        found = json.loads(text)
        address = cls(**{field.name: found[field.name] for field in fields(cls) if field.name in found})
        texts = (address.url, address.host, address.born, address.started_at, address.up_born)
        numbers = (address.port, address.pid, address.up_pid)
        if not all(isinstance(value, str) for value in texts) or not all(type(value) is int for value in numbers):
            raise TypeError("a field is of another type")
        if datetime.fromisoformat(address.started_at).tzinfo is None:
            raise ValueError("started_at lacks its time zone")
        return address

    def has_ended(self) -> bool:
        """Has it begun to end, or was it killed?"""
        is_killed = self.up_pid != 0 and not is_alive(self.up_pid, self.up_born)
        return self.is_ending or is_killed or not is_alive(self.pid, self.born)


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

    @property
    def lock(self) -> Path:
        return self.path / "up.lock"

    @property
    def address_file(self) -> Path:
        return self.path / "up.json"

    @property
    def folders(self) -> tuple[Path, ...]:
        return self.logs, self.redis, self.path / "files", self.path / "worker"

    def prepare(self) -> list[str]:
        """Makes the folders; what stands in their place is set aside, which the sentences that come back tell.

        Raises CommandError where the home cannot be made or written to, or its disk has no room.
        """
        told = []
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in self.folders:
                if os.path.lexists(folder) and not folder.is_dir():
                    told.append(aside_sentence(self.path, folder, set_aside(folder), "it is no folder"))
                folder.mkdir(mode=0o700, exist_ok=True)
            if os.path.lexists(self.lock) and not self.lock.is_file():
                told.append(aside_sentence(self.path, self.lock, set_aside(self.lock), "it is no file"))
            self._check_room()
        except OSError as error:
            if is_full(error):
                raise self._full() from error
            raise CommandError(
                f"The home {self.path} cannot be written to ({error.strerror}). "
                "Choose another with --home, or give yourself the right to write there."
            ) from error
        return told

    def _check_room(self) -> None:
        """By writing: a quota shows in nothing else. Raises CommandError and OSError."""
        if room_at(self.path).lacks(LEAST_FREE):
            raise self._full()
        with tempfile.TemporaryFile(dir=self.path) as probe:
            probe.write(bytes(1 << 16))
            probe.flush()
            os.fsync(probe.fileno())

    def _full(self) -> CommandError:
        return CommandError(
            f"The disk of the home is full: {room_at(self.path)}, and a start needs {shown_size(LEAST_FREE)}. "
            "Make room there, or choose a --home on another disk."
        )

    @contextmanager
    def held(self) -> Iterator[int]:
        """Holds the home for one `up` and yields the lock's descriptor; whoever inherits it holds it too.

        Raises CommandError when another has it, and OSError.
        """
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600)
        try:
            if not _locks(descriptor, tries=_LOCK_TRIES):
                raise CommandError(self.taken())
            yield descriptor
        except NoFileLocks as error:
            raise CommandError(
                f"The home {self.path} is on a filesystem without file locks (flock: {error.strerror}). "
                "Choose one on a local disk with --home; RESDROP_FILES may name a folder anywhere for the checkpoints."
            ) from error
        finally:
            os.close(descriptor)

    def is_held(self) -> bool:
        """Is an `up` using it?"""
        try:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            return not _locks(descriptor)
        except NoFileLocks:
            return False  # and no `up` can
        finally:
            os.close(descriptor)

    def taken(self) -> str:
        found = self.address()
        where = f" at {found.url}" if found else ""
        return (
            f"ResDrop is already running on {self.path}{where}. "
            "Stop it with `resdrop down`, or choose another --home (and --port) to run a second one."
        )

    def address(self) -> Address | None:
        """Of the `up` that uses the home now, or None."""
        found = self._published()
        return found if found is not None and self.is_held() else None

    def is_ending(self) -> bool:
        """Is it held by an `up` that has begun to end, or by what a killed one left?"""
        if not self.is_held():
            return False
        found = self._published()
        return found.has_ended() if found is not None else _taker_is_gone(self.lock)

    def _published(self) -> Address | None:
        try:
            return Address.parsed(self.address_file.read_text())
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def tells(self, address: Address) -> bool:
        """Does the file say just this?"""
        return self._published() == address

    def publish(self, address: Address) -> None:
        """Raises OSError."""
        write_private(self.address_file, json.dumps(asdict(address), indent=2) + "\n")

    def unpublish(self) -> None:
        with suppress(OSError):
            self.address_file.unlink(missing_ok=True)

    def token(self) -> str | None:
        """The secret by which the API lets in whom it does not know, if one was ever made."""
        try:
            return secret_in(self.path / "token")
        except OSError:
            return None

    def kept_token(self, chosen: str | None = None) -> str:
        """`chosen`, else as `token`, else a new one; kept where the commands of this account find it."""
        found = self.token()
        token = chosen or found or secrets.token_urlsafe(24)
        if token != found:
            write_private(self.path / "token", token + "\n")
        return token

    def token_for(self, url: str) -> str | None:
        """The token, where `url` is of the service that runs on this home now; no other place is ever sent it."""
        address = self.address()
        if address is None or _place(address.url) != _place(url):
            return None
        return self.token()


def _place(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:  # no address; whoever uses it will say so
        return "", ""
    return parts.scheme.lower(), parts.netloc.lower()


class NoFileLocks(OSError):
    """The filesystem has no flock."""


def _locks(descriptor: int, tries: int = 1) -> bool:
    """Raises NoFileLocks."""
    try:
        for remaining in reversed(range(tries)):
            if flock(descriptor):
                return True
            if remaining:
                time.sleep(0.1)
    except OSError as error:
        raise NoFileLocks(error.errno, error.strerror) from error
    return False


def _taker_is_gone(lock: Path) -> bool:
    """Has the process ended that took the lock, which others have inherited? The kernel lists it (proc(5))."""
    with suppress(OSError, ValueError, IndexError):
        inode = str(lock.stat().st_ino)
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode:
                return not Path(f"/proc/{int(words[4])}").exists()
    return False


def sound_secret(text: str) -> str | None:
    """A token or password as it stands in its file; None for what no program could send."""
    found = text.strip()
    if not found or len(found) > MOST_SECRET_BYTES:
        return None
    return found if found.isascii() and found.isprintable() and not set(found) & set(" \"'\\") else None


def secret_in(path: Path) -> str | None:
    """What `sound_secret` says of the file, of which no more is read than a secret may have. Raises OSError."""
    with path.open("rb") as file:
        content = file.read(_MOST_SECRET_FILE_BYTES + 1)
    if len(content) > _MOST_SECRET_FILE_BYTES:
        return None
    return sound_secret(content.decode("ascii", errors="replace"))


def aside_sentence(home: Path, path: Path, moved: Path, why: str) -> str:
    def name(of: Path) -> str:
        return str(of.relative_to(home)) if of.is_relative_to(home) else str(of)

    return f"{name(path)} cannot be used: {why}; it was set aside as {moved.name} and is made anew"


def write_private(path: Path, text: str) -> None:
    """Replaces a file as a whole by one that only its owner can read."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
