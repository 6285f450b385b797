"""Smaller copies of a folder's training images, which are faster to decode and are different data."""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from PIL import Image

from worker.common.cores import usable_cores
from worker.common.file_lock import LockTaken, exclusive
from worker.engine.data import jpeg
from worker.engine.data.crops import resized
from worker.engine.data.decode import decode_rgb
from worker.engine.data.errors import DataError, DataUnreadable, Undecodable, shown_path
from worker.engine.data.folder import FolderImages
from worker.engine.data.images import Dataset
from worker.engine.data.listing import Listing
from worker.engine.data.reading import read_bytes
from worker.engine.output import complain

QUALITY = 95
#: To be raised with every change of what a copy looks like.
VERSION = 1
FOLDER = ".resdrop-cache"
PLACE = "RESDROP_CACHE"
REPORT_SECONDS = 10.0


def with_cached_training(dataset: Dataset, *, cache_side: int) -> Dataset:
    """`dataset` with copies for training, made first where they are not there; validation keeps the originals.

    Raises DataError where they cannot be made.
    """
    assert isinstance(dataset.train, FolderImages)
    listing = dataset.train.listing
    folder = place_of(listing.root, cache_side=cache_side)
    try:
        copies = copied(listing, folder, cache_side=cache_side)
    except OSError as error:
        raise DataError(
            f"the cache of cache_side {cache_side} cannot be written to {folder} ({error.strerror or error}); "
            f"set {PLACE} to a folder with room, or leave cache_side empty"
        ) from error
    notice = (
        f"training on copies in {folder}, shrunk to a shorter side of {cache_side} px and encoded anew: "
        "different data from the originals, on which validation still is"
    )
    fingerprint = hashlib.sha256(f"{dataset.fingerprint} copies {cache_side} {QUALITY} {VERSION}".encode())
    train = FolderImages(copies, side=dataset.train.side, substitutes=True)
    return replace(dataset, train=train, fingerprint=fingerprint.hexdigest(), notices=(*dataset.notices, notice))


def place_of(train: Path, *, cache_side: int) -> Path:
    """Beside the images, or below RESDROP_CACHE where that is set."""
    place = os.environ.get(PLACE)
    if not place:
        return train.parent / FOLDER / str(cache_side)
    return Path(place) / hashlib.sha256(str(train.resolve()).encode()).hexdigest()[:16] / str(cache_side)


def copied(listing: Listing, folder: Path, *, cache_side: int) -> Listing:
    """The copies of all files, those made that are missing or older than their original. Raises OSError, DataError.

    Where no folder has changed since, no file is asked for anything; what is whole may lie where nothing can be
    written.
    """
    copies = replace(listing, root=folder / listing.root.name)
    if not _is_whole(listing, copies, cache_side):
        with _alone_in(folder):
            if not _is_whole(listing, copies, cache_side):
                _make_whole(listing, copies, cache_side)
    return copies


def _is_whole(listing: Listing, copies: Listing, cache_side: int) -> bool:
    with suppress(OSError):
        found = _manifest_of(copies).read_text()
        return found == _manifest(listing, cache_side, _folder_times(listing), _folder_times(copies))
    return False


def _make_whole(listing: Listing, copies: Listing, cache_side: int) -> None:
    originals = _folder_times(listing)
    for name in _folders(listing):
        (copies.root / name).mkdir(parents=True, exist_ok=True)
    _copy_all(listing, copies, cache_side)
    _write(_manifest_of(copies), _manifest(listing, cache_side, originals, _folder_times(copies)).encode())


def _manifest_of(copies: Listing) -> Path:
    return copies.root.parent / "manifest.json"


def _manifest(listing: Listing, cache_side: int, originals: str, copies: str) -> str:
    facts = {"files": len(listing), "names": listing.fingerprint(), "quality": QUALITY, "shorter_side": cache_side}
    return json.dumps(facts | {"version": VERSION, "originals": originals, "copies": copies}, indent=1)


def _folder_times(listing: Listing) -> str:
    """They move with every file that comes, goes or takes another's place. Raises OSError."""
    times = [f"{(listing.root / name).stat().st_mtime_ns}" for name in _folders(listing)]
    return hashlib.sha256(" ".join(times).encode()).hexdigest()


def _folders(listing: Listing) -> list[str]:
    names = {os.path.dirname(name) for name in listing.names.tolist()}  # noqa: PTH120  a million of them
    return sorted(map(os.fsdecode, names))


def _copy_all(listing: Listing, copies: Listing, cache_side: int) -> None:
    """In threads: reading, decoding, resizing and encoding all leave Python's lock alone."""
    told_at = time.monotonic()
    with ThreadPoolExecutor(usable_cores()) as pool:
        try:
            parts = range(0, len(listing), 100)
            for part in pool.map(lambda start: _copy_part(listing, copies, start, cache_side), parts):
                if time.monotonic() - told_at > REPORT_SECONDS:
                    told_at = time.monotonic()
                    complain(f"caching images: {part:,} of {len(listing):,}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _copy_part(listing: Listing, copies: Listing, start: int, cache_side: int) -> int:
    end = min(start + 100, len(listing))
    for index in range(start, end):
        _copy(listing.path(index), copies.path(index), cache_side)
    return end


def _copy(original: str, copy: str, cache_side: int) -> None:
    """The copy takes over its original's time, by which a later run knows that it is current."""
    changed = _time_of(original)
    with suppress(FileNotFoundError):
        if os.stat(copy).st_mtime_ns == changed:  # noqa: PTH116
            return
    try:
        content = shrunk(read_bytes(original), cache_side)
    except Undecodable:  # by now no file; training tells of its copy
        content = b""
    _write(Path(copy), content, changed=changed)


def _time_of(original: str) -> int:
    try:
        return os.stat(original).st_mtime_ns  # noqa: PTH116  a million of them
    except OSError as error:
        raise DataUnreadable(
            f"{shown_path(original)} cannot be read ({error.strerror}); see that its disk is there and sound, or "
            "remove it"
        ) from error


def shrunk(content: bytearray, cache_side: int) -> bytes:
    """A JPEG with the shorter side scaled down; unchanged what is small already, or damaged, which training tells."""
    try:
        image = decode_rgb(content)
    except Undecodable:
        return bytes(content)
    height, width = image.shape[1:]
    scale = cache_side / min(height, width)
    if scale >= 1 and content.startswith(jpeg.START):
        return bytes(content)
    if scale < 1:
        image = resized(image, max(1, round(height * scale)), max(1, round(width * scale)))
    encoded = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()


def _write(path: Path, content: bytes, *, changed: int | None = None) -> None:
    """Whole or not at all."""
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(content)
    if changed is not None:
        os.utime(partial, ns=(changed, changed))
    partial.replace(path)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Of several ranks or runs one makes the copies, and the others wait. Raises OSError."""

    def tell(taken: LockTaken) -> None:
        complain(f"{taken.who} is making the copies in {folder}; waiting for it")

    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / "lock", wait=tell):
        yield
