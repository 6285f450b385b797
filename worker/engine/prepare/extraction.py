"""One piece of the archives' contents to its folder: a class of training images, or a block of validation images."""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from worker.engine.prepare.release import PrepareFailed
from worker.engine.prepare.state import Count, note_extracted

#: Nothing that could lead out of its folder.
IMAGE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.JPEG")
COPIED_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where a file lies in an archive, in bytes."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class ClassPiece:
    """The archive of a class, inside of that of all classes; `marker` is written when its folder is whole."""

    archive: Path
    place: Place
    wnid: str
    folder: Path
    marker: Path


@dataclass(frozen=True)
class ValPiece:
    """Validation images and the folders that they belong in, inside of `folder`."""

    archive: Path
    places: tuple[Place, ...]
    wnids: tuple[str, ...]
    folder: Path


def contents(archive: Path) -> list[Place]:
    """The files in an archive, read from one header to the next. Raises PrepareFailed for anything but files."""
    try:
        with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as opened:
            return [_place(member, archive) for member in _members(opened, file, str(archive))]
    except (tarfile.TarError, OSError) as error:
        raise PrepareFailed(f"{archive} cannot be read as an archive: {error}; download it again") from error


def extract(piece: ClassPiece | ValPiece) -> Count:
    """Raises PrepareFailed."""
    try:
        return _extract_class(piece) if isinstance(piece, ClassPiece) else _extract_val(piece)
    except tarfile.TarError as error:
        what = piece.wnid if isinstance(piece, ClassPiece) else "validation images"
        raise PrepareFailed(f"{what} in {piece.archive} cannot be read: {error}; download the archive again") from error
    except OSError as error:
        raise PrepareFailed(f"{piece.folder} cannot be filled: {error}; see to it and run the same command") from error


def _extract_class(piece: ClassPiece) -> Count:
    """Into a folder beside, which takes its name when it is whole. The marker is there before: no folder of a class
    is ours without one."""
    target, partial = piece.folder / piece.wnid, piece.folder / f".{piece.wnid}.partial"
    for stale in (partial, target):
        if stale.exists():
            shutil.rmtree(stale)
    partial.mkdir(parents=True)
    images = size = 0
    with _part_of(piece.archive, piece.place) as file, tarfile.open(fileobj=file, mode="r:") as inner:
        for member in _members(inner, file, f"{piece.wnid} in {piece.archive}"):
            place = _place(member, piece.archive)
            content = inner.extractfile(member)
            assert content is not None
            with (partial / _safe(place.name, piece.archive)).open("xb") as image:
                shutil.copyfileobj(content, image, COPIED_AT_ONCE)
            images += 1
            size += member.size
    count = Count(images, size)
    note_extracted(piece.marker, count)
    partial.rename(target)
    return count


def _extract_val(piece: ValPiece) -> Count:
    with piece.archive.open("rb") as archive:
        for place, wnid in zip(piece.places, piece.wnids, strict=True):
            name = _safe(place.name, piece.archive)
            archive.seek(place.offset)
            content = archive.read(place.size)
            if len(content) < place.size:
                raise PrepareFailed(f"{piece.archive} ends in the middle of {place.name}; download it again")
            folder = piece.folder / wnid
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / f".{name}.partial"
            partial.write_bytes(content)
            partial.rename(folder / name)
    return Count(len(piece.places), sum(place.size for place in piece.places))


def missing_of(piece: ValPiece) -> ValPiece | None:
    """What is not there yet, or not whole; None where nothing is missing."""
    missing = [
        (place, wnid)
        for place, wnid in zip(piece.places, piece.wnids, strict=True)
        if _size(piece.folder / wnid / place.name) != place.size
    ]
    if not missing:
        return None
    places, wnids = zip(*missing, strict=True)
    return ValPiece(piece.archive, places, wnids, piece.folder)


def blocks(places: Sequence[Place], size: int) -> Iterator[Sequence[Place]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _members(opened: tarfile.TarFile, file: IO[bytes], what: str) -> Iterator[tarfile.TarInfo]:
    """All of them. tarfile takes a damaged header for the archive's end, so what follows the last has to be empty."""
    end = 0
    for member in opened:
        yield member
        end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    file.seek(end)
    while rest := file.read(COPIED_AT_ONCE):
        if rest.strip(b"\0"):
            raise PrepareFailed(f"{what} is damaged after byte {end:,}; download the archive again")


def _place(member: tarfile.TarInfo, archive: Path) -> Place:
    if not member.isreg() or member.issparse():
        raise PrepareFailed(f"{archive} holds {member.name!r}, which is no file; it is not the official archive")
    return Place(member.name, member.offset_data, member.size)


def _safe(name: str, archive: Path) -> str:
    if not IMAGE_NAME.fullmatch(name):
        raise PrepareFailed(f"{archive} holds {name!r}, which is no image's name; it is not the official archive")
    return name


def _part_of(path: Path, place: Place) -> io.BufferedReader:
    return io.BufferedReader(_Part(path, place), COPIED_AT_ONCE)


class _Part(io.RawIOBase):
    """`size` bytes of a file from `offset` on, as a file of its own."""

    def __init__(self, path: Path, place: Place) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._start = place.offset
        self._size = place.size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._file.seek(self._start + self._at)
        count = self._file.readinto(memoryview(buffer)[: max(0, self._size - self._at)]) or 0
        self._at += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
