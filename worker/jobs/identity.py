"""Who this worker is: its name, which survives a restart, this start of it, and the storage root that it mounts."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn

from worker.common.file_lock import LockTaken, exclusive
from worker.common.lock_note import Holder
from worker.common.processes import machine_boot
from worker.common.set_aside import set_aside
from worker.contract import VERSION

LOCK = "lock"
_PACKAGES = ("torch", "torchvision", "numpy", "celery", "redis")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identity:
    worker_id: str
    #: Of this start; another one is a message of the past.
    boot_id: str
    host: str
    #: Where it runs: the lock of its folder, on this boot of the machine. "" where that cannot be told.
    place: str
    root_id: str
    #: Of Python and the libraries that matter for a result.
    versions: dict[str, str]


def identify(*, state: Path, files: Path) -> Identity:
    """Reads who this worker is from its folders, which it settles at its first start. Raises OSError, ValueError."""
    host = socket.gethostname()
    return Identity(
        worker_id=_worker_id(state / "worker.json", host),
        boot_id=uuid.uuid4().hex,
        host=host,
        place=_place(state / LOCK),
        root_id=_settled_id(files / "root.json", prefix=""),
        versions=installed_versions(),
    )


def _place(lock: Path) -> str:
    """Two starts that hold this lock, on one boot of one kernel, are never alive together; a cloned folder has another.

    "" while nobody holds it, or where the kernel has no such number: then nothing follows from it.
    """
    boot = machine_boot()
    try:
        found = lock.stat()
    except OSError:
        return ""
    if not boot:
        return ""
    return hashlib.sha256(f"{boot} {found.st_dev} {found.st_ino}".encode()).hexdigest()[:32]


def installed_versions() -> dict[str, str]:
    """From the packages' metadata: importing torch only to ask would take seconds."""
    found = {"resdrop": VERSION, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _worker_id(path: Path, host: str) -> str:
    """One that cannot be read is set aside, and the worker is a new one: what it trained is given up to others.

    The id of the storage, by which runs find their checkpoints, is never made anew by itself.
    """
    try:
        return _settled_id(path, prefix=f"{host}-")
    except ValueError as error:
        log.warning("%s; it is kept as %s, and this worker begins anew", error, set_aside(path).name)
        return _settled_id(path, prefix=f"{host}-")


def _settled_id(path: Path, *, prefix: str) -> str:
    """The id in `path`; whoever comes first writes it, and it appears whole or not at all.

    Raises OSError, and ValueError where the file holds none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Under a lock rather than by a hard link, which SMB, exFAT and others do not have.
        with exclusive(path.with_name(f".{path.name}.lock"), wait=_tell_whom_it_waits_for):
            if not path.exists():
                _write_id(path, prefix + uuid.uuid4().hex[:12])
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (IsADirectoryError, ValueError, RecursionError):
        content = None
    found = content.get("id") if isinstance(content, dict) else None
    if not isinstance(found, str) or not found:
        raise ValueError(f'{path} does not hold {{"id": "..."}}; restore it, or remove it to begin anew')
    return found


def _write_id(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(json.dumps({"id": text}) + "\n", encoding="utf-8")
    draft.replace(path)


def _tell_whom_it_waits_for(taken: LockTaken) -> None:
    log.info("waiting: %s", taken)


@contextmanager
def alone_in(state: Path) -> Iterator[None]:
    """Holds the worker's folder against a second worker. Raises ValueError when another one has it."""
    state.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(state / LOCK, lost=_leave_to))
        except LockTaken as taken:
            raise ValueError(
                f"another worker, {taken.who}, runs with the folder {state}; "
                "stop it, or set RESDROP_WORKER_STATE to another folder"
            ) from None
        yield


def _leave_to(other: Holder) -> NoReturn:
    """Its trainings end with it; two workers of one name would end each other's."""
    log.error("another worker, %s, has taken over this one's folder, as this one stood still; ending", other)
    os._exit(1)
