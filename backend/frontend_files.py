"""The files of the frontend as releases, named by their content, so that a browser may keep every one for ever."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: Files of others; the name of each carries its version, so that it is the same in every release.
VENDOR = "vendor/"
_ID = re.compile(r"[0-9a-f]{16}")

#: Path, time of change and size of each file: another state of the folder has another one.
Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class File:
    content: bytes
    media_type: str

    @cached_property
    def compressed(self) -> bytes:
        return gzip.compress(self.content, mtime=0)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:16]


@dataclass(frozen=True)
class Release:
    """One state of the folder. `page` is index.html; `files` are by their paths below the folder."""

    id: str
    page: str
    files: Mapping[str, File]


class FrontendFiles:
    """Held in memory, and read anew after a file has changed, so that whoever works on the page just reloads it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._signature: Signature = ()
        self._release: Release | None = None

    def release(self) -> Release:
        """As the files are now."""
        signature = tuple(_signature(self._folder))
        if self._release is None or signature != self._signature:
            self._release, self._signature = _read(self._folder, signature), signature
        return self._release

    def find(self, path: str) -> tuple[File, bool] | None:
        """The file that is asked for below /static, and whether that address will always give the same.

        `RELEASE/js/main.js` does; `js/main.js` gives what is there at the time. Of another release than the present
        one only the files of others are given, for the rest of it would not fit what the asking page has already.
        """
        named, _, rest = path.partition("/")
        is_named = _ID.fullmatch(named) is not None
        release = self._release if is_named and self._release is not None else self.release()
        if is_named and named != release.id and not rest.startswith(VENDOR):
            return None
        file = release.files.get(rest if is_named else path)
        return (file, is_named) if file is not None else None

    def compress(self) -> None:
        """Beforehand, so that nobody waits for it; the charting library takes a tenth of a second."""
        for file in self.release().files.values():
            _ = file.compressed


def _signature(folder: Path) -> Iterator[tuple[str, int, int]]:
    for path, names, files in os.walk(folder):
        names.sort()
        for name in sorted(files):
            found = Path(path, name)
            if found.suffix in MEDIA_TYPES or name == "index.html":
                state = found.stat()
                yield found.relative_to(folder).as_posix(), state.st_mtime_ns, state.st_size


def _read(folder: Path, signature: Signature) -> Release:
    contents = {path: (folder / path).read_bytes() for path, _, _ in signature}
    whole = hashlib.sha256()
    for path, content in contents.items():
        whole.update(f"{path}\0{len(content)}\0".encode() + content)
    page = contents.pop("index.html", b"").decode()
    files = {path: File(content, MEDIA_TYPES[Path(path).suffix]) for path, content in contents.items()}
    return Release(id=whole.hexdigest()[:16], page=page, files=files)
