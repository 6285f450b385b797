"""Checkpoints: one file each, whole or absent, and checked before it is believed.

The file is what `torch.save` writes, followed by a seal: a mark and the SHA-256 of everything before it. torch reads
such a file as it is, because an archive's directory is found from its end.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any, cast
from zipfile import is_zipfile

import torch

from worker.common.disk import remedy_of
from worker.common.unfinished_checkpoints import SUFFIX, mark_in_use, remove_unfinished
from worker.engine.checkpoint_contents import Misfit, refuse_misfit
from worker.engine.data.images import Dataset

FORMAT = 3
_MARK = b"RESDROP1"
_SEAL_BYTES = len(_MARK) + hashlib.sha256().digest_size
_CHUNK = 1 << 20
_NAME = re.compile(r"step-([0-9]{8,})(?:\+([0-9]+))?\.pt")


class CheckpointDamaged(RuntimeError):
    """The file is missing, cut short or altered; an older checkpoint may serve."""


class CheckpointUnwritable(OSError):
    """The disk did not take the file, being full as a rule; the checkpoints before are as they were."""


class CheckpointMismatch(ValueError):
    """The checkpoint is sound and belongs to another run or another version of this program."""


@dataclass(frozen=True)
class Checkpoint:
    """The whole state of a training between two steps. All of `content` is plain values and tensors on the CPU."""

    path: Path
    content: Mapping[str, Any]

    @property
    def step(self) -> int:
        return int(self.content["step"])

    @property
    def elapsed_seconds(self) -> float:
        return float(self.content["elapsed_seconds"])

    @property
    def threads(self) -> int:
        return int(self.content["threads"])

    @property
    def config(self) -> dict[str, Any]:
        """The run's configuration as JSON values."""
        return dict(self.content["config"])


@dataclass(frozen=True)
class Written:
    size_bytes: int
    sha256: str


def checkpoint_path(folder: Path, step: int, *, micro: int = 0) -> Path:
    """After `step` steps, and `micro` micro-batches of the next."""
    return folder / (f"step-{step:08d}+{micro}.pt" if micro else f"step-{step:08d}.pt")


def save(content: Mapping[str, Any], path: Path) -> Written:
    """Writes beside `path`, syncs, renames, syncs the folder: a crash leaves the old file or the new, never half.

    One process writes to a folder; what an earlier one left unfinished there is removed. Raises CheckpointUnwritable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(path.parent)
        written = _write_whole(dict(content, format=FORMAT), path)
        _sync_folder(path.parent)
    except OSError as error:
        raise CheckpointUnwritable(
            f"checkpoint {path} cannot be written: {error.strerror}; {remedy_of(error, path)}, then go on from "
            "the one before"
        ) from error
    return written


def load(path: Path, *, dataset: Dataset | None = None) -> Checkpoint:
    """One that a training can go on from, on the images of `dataset` where those made it.

    Raises CheckpointDamaged or CheckpointMismatch.
    """
    found = read_sealed(path)
    try:
        refuse_misfit(found.content, dataset=dataset)
        _refuse_other_place(found)
    except MemoryError:
        raise
    except Exception as error:  # whatever a strange content leads to says that it is none of ours
        why = error if isinstance(error, Misfit) else f"{type(error).__name__}: {error}"
        raise CheckpointDamaged(f"checkpoint {path} does not hold a training's state: {why}") from error
    return found


def read_sealed(path: Path) -> Checkpoint:
    """Whatever is under a right seal in this version's format. Raises CheckpointDamaged or CheckpointMismatch."""
    try:
        _check_seal(path)
        content = _numbers_and_text(path)
    except OSError as error:
        raise CheckpointDamaged(f"checkpoint {path} cannot be read: {error.strerror}") from error
    found = content["format"]
    if type(found) is not int:
        raise CheckpointDamaged(f"checkpoint {path} names no format; its format is a {type(found).__name__}")
    if found != FORMAT:
        raise CheckpointMismatch(f"checkpoint {path} has format {found}, this version reads {FORMAT}")
    return Checkpoint(path=path, content=content)


def place_of(path: Path) -> tuple[int, int] | None:
    """The step and micro-batch that `checkpoint_path` gave this name for; None for any other name."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        return None
    step, micro = int(found[1]), int(found[2] or 0)
    return (step, micro) if checkpoint_path(path.parent, step, micro=micro).name == path.name else None


def newest_first(folder: Path) -> list[Path]:
    """Of those that have names of `checkpoint_path`; what else is there, such as a copy, is somebody else's."""
    places = {path: place for path in folder.glob("step-*.pt") if (place := place_of(path)) is not None}
    return sorted(places, key=places.__getitem__, reverse=True)


def _refuse_other_place(found: Checkpoint) -> None:
    """Raises Misfit. A copy under a name of another kind may be of any place."""
    named, holds = place_of(found.path), (found.step, int(found.content["micro"]))
    if named not in (None, holds):
        raise Misfit(f"by its name it is of {_shown(named)}, and it holds {_shown(holds)}")


def _shown(place: tuple[int, int]) -> str:
    step, micro = place
    return f"step {step}" + (f" and micro-batch {micro}" if micro else "")


class _Sealing:
    """A file for torch to write to, which hashes and counts what passes. `refusal` is why the disk took no more."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0
        self.refusal: OSError | None = None

    def write(self, chunk: bytes) -> int:
        self.sha256.update(chunk)
        self.size_bytes += len(chunk)
        try:
            return self._file.write(chunk)
        except OSError as error:
            self.refusal = error
            raise

    def flush(self) -> None:
        self._file.flush()


def _write_whole(content: dict[str, Any], path: Path) -> Written:
    partial = path.with_name(path.name + SUFFIX)
    try:
        written = _write(content, partial)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return written


def _write(content: dict[str, Any], path: Path) -> Written:
    with path.open("wb") as file:
        mark_in_use(file.fileno())
        sealing = _Sealing(file)
        try:
            torch.save(content, cast(IO[bytes], sealing))
        except RuntimeError as error:
            # torch goes on to close its archive, which fails for another reason and hides the first.
            raise sealing.refusal or error from error
        sealing.write(_MARK + sealing.sha256.digest())
        sealing.flush()
        os.fsync(file.fileno())
    return Written(sealing.size_bytes, sealing.sha256.hexdigest())


def _check_seal(path: Path) -> None:
    remaining = path.stat().st_size - _SEAL_BYTES
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while remaining > 0 and (chunk := file.read(min(_CHUNK, remaining))):
            digest.update(chunk)
            remaining -= len(chunk)
        if file.read() != _MARK + digest.digest():
            raise CheckpointDamaged(f"checkpoint {path} is damaged: its contents do not match its checksum")


def _numbers_and_text(path: Path) -> dict[str, Any]:
    """What is under the seal; torch runs nothing of it. A right seal says only that nobody altered it since."""
    if not is_zipfile(path):
        raise CheckpointDamaged(f"checkpoint {path} is not one of torch's files")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise CheckpointDamaged(f"checkpoint {path} holds more than numbers and text; none of it was run") from error
    except (OSError, MemoryError):
        raise
    except Exception as error:  # its directory and its pickle can be wrong in any way
        raise CheckpointDamaged(f"checkpoint {path} is not one of torch's files: {error}") from error
    if not isinstance(content, dict) or "format" not in content:
        raise CheckpointDamaged(f"checkpoint {path} names no format; another program has written it")
    return content


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network filesystems cannot sync a folder; they order a rename by themselves.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
