"""Smaller copies of a folder's training images, which are faster to decode and are different data."""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from worker.common.cores import usable_cores
from worker.common.file_lock import LockTaken, exclusive
from worker.engine.data import jpeg
from worker.engine.data.crops import resized
from worker.engine.data.decode import decode_rgb, is_faint
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


@dataclass(frozen=True)
class Copies:
    """`faint` has the names of those whose originals use so little of their 12 or 16 bits that they look blank."""

    listing: Listing
    faint: frozenset[str]

    def faint_originals(self, listing: Listing) -> dict[int, str]:
        """Their paths in `listing`, of which these are copies, by index."""
        if not self.faint:
            return {}
        names = enumerate(map(os.fsdecode, listing.names.tolist()))
        return {index: listing.path(index) for index, name in names if name in self.faint}


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
    train = FolderImages(
        copies.listing,
        side=dataset.train.side,
        substitutes=True,
        faint_originals=copies.faint_originals(listing),
    )
    return replace(dataset, train=train, fingerprint=fingerprint.hexdigest(), notices=(*dataset.notices, notice))


def place_of(train: Path, *, cache_side: int) -> Path:
    """Beside the images, or below RESDROP_CACHE where that is set."""
    place = os.environ.get(PLACE)
    if not place:
        return train.parent / FOLDER / str(cache_side)
    return Path(place) / hashlib.sha256(str(train.resolve()).encode()).hexdigest()[:16] / str(cache_side)


def copied(listing: Listing, folder: Path, *, cache_side: int) -> Copies:
    """The copies of all files, those made that are missing or older than their original. Raises OSError, DataError.

    Where no folder has changed since, no file is asked for anything; what is whole may lie where nothing can be
    written.
    """
    copies = replace(listing, root=folder / listing.root.name)
    faint = _faint_if_whole(listing, copies, cache_side)
    if faint is not None:
        return Copies(copies, faint)
    try:
        with _alone_in(folder):
            faint = _faint_if_whole(listing, copies, cache_side)
            return Copies(copies, _make_whole(listing, copies, cache_side) if faint is None else faint)
    except OSError:
        # What an earlier version made serves where it cannot be written to; only which are faint is not known.
        if not _is_whole(listing, copies, cache_side, faint=None):
            raise
        return Copies(copies, frozenset())


def _faint_if_whole(listing: Listing, copies: Listing, cache_side: int) -> frozenset[str] | None:
    """None where copies are missing, or may be."""
    found = _faint_in_manifest(copies)
    return found if found is not None and _is_whole(listing, copies, cache_side, faint=found) else None


def _is_whole(listing: Listing, copies: Listing, cache_side: int, *, faint: Collection[str] | None) -> bool:
    with suppress(OSError):
        found = _manifest_of(copies).read_text()
        return found == _manifest(listing, cache_side, _folder_times(listing), _folder_times(copies), faint=faint)
    return False


def _faint_in_manifest(copies: Listing) -> frozenset[str] | None:
    """Of copies that were all made; None too where an earlier version made them, which did not look."""
    try:
        found = json.loads(_manifest_of(copies).read_text())["faint"]
        return frozenset(found) if all(isinstance(name, str) for name in found) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make_whole(listing: Listing, copies: Listing, cache_side: int) -> frozenset[str]:
    """The names of those with faint originals."""
    originals = _folder_times(listing)
    for name in _folders(listing):
        (copies.root / name).mkdir(parents=True, exist_ok=True)
    known = _faint_in_manifest(copies)
    if known is not None:
        # Should this be cut short, nobody takes for known what was copied meanwhile.
        _manifest_of(copies).unlink()
    faint = _copy_all(listing, copies, cache_side, known=known)
    if known:
        # Copies stay when their originals go, and serve again when these come back as they were.
        faint |= known.difference(map(os.fsdecode, listing.names.tolist()))
    manifest = _manifest(listing, cache_side, originals, _folder_times(copies), faint=faint)
    _write(_manifest_of(copies), manifest.encode())
    return faint


def _manifest_of(copies: Listing) -> Path:
    return copies.root.parent / "manifest.json"


def _manifest(listing: Listing, cache_side: int, originals: str, copies: str, *, faint: Collection[str] | None) -> str:
    """As earlier versions wrote it, where it is not known which are faint."""
    facts = {"files": len(listing), "names": listing.fingerprint(), "quality": QUALITY, "shorter_side": cache_side}
    more = {"version": VERSION, "originals": originals, "copies": copies}
    judged = {} if faint is None else {"faint": sorted(faint)}
    return json.dumps(facts | more | judged, indent=1)


def _folder_times(listing: Listing) -> str:
    """They move with every file that comes, goes or takes another's place. Raises OSError."""
    times = [f"{(listing.root / name).stat().st_mtime_ns}" for name in _folders(listing)]
    return hashlib.sha256(" ".join(times).encode()).hexdigest()


def _folders(listing: Listing) -> list[str]:
    names = {os.path.dirname(name) for name in listing.names.tolist()}  # noqa: PTH120  a million of them
    return sorted(map(os.fsdecode, names))


def _copy_all(listing: Listing, copies: Listing, cache_side: int, *, known: frozenset[str] | None) -> frozenset[str]:
    """In threads: reading, decoding, resizing and encoding all leave Python's lock alone.

    The names of those with faint originals; of copies that are there already those in `known`, where that is given.
    """
    told_at = time.monotonic()
    faint: set[str] = set()
    with ThreadPoolExecutor(usable_cores()) as pool:
        try:
            parts = range(0, len(listing), 100)
            made = pool.map(lambda start: _copy_part(listing, copies, start, cache_side, known), parts)
            for part, found in zip(parts, made, strict=True):
                faint.update(found)
                if time.monotonic() - told_at > REPORT_SECONDS:
                    told_at = time.monotonic()
                    complain(f"caching images: {part:,} of {len(listing):,}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return frozenset(faint)


def _copy_part(
    listing: Listing, copies: Listing, start: int, cache_side: int, known: frozenset[str] | None
) -> list[str]:
    """The names of those with faint originals."""
    faint = []
    for index in range(start, min(start + 100, len(listing))):
        name = os.fsdecode(listing.names[index])
        was_faint = None if known is None else name in known
        if _copy(listing.path(index), copies.path(index), cache_side, was_faint):
            faint.append(name)
    return faint


def _copy(original: str, copy: str, cache_side: int, was_faint: bool | None) -> bool:
    """Whether the original is faint; of one whose copy is current `was_faint`, unless nobody looked.

    The copy takes over its original's time, by which a later run knows that it is current.
    """
    changed = _time_of(original)
    with suppress(FileNotFoundError):
        if os.stat(copy).st_mtime_ns == changed:  # noqa: PTH116
            return _looks_faint(original) if was_faint is None else was_faint
    try:
        content, faint = shrunk(read_bytes(original), cache_side)
    except Undecodable:  # by now no file; training tells of its copy
        content, faint = b"", False
    _write(Path(copy), content, changed=changed)
    return faint


def _looks_faint(original: str) -> bool:
    """Decodes no JPEG, which is none: most folders hold nothing else, and a million of them."""
    try:
        content = read_bytes(original)
        return not content.startswith(jpeg.START) and is_faint(content, decode_rgb(content))
    except (Undecodable, DataUnreadable):  # its copy serves
        return False


def _time_of(original: str) -> int:
    try:
        return os.stat(original).st_mtime_ns  # noqa: PTH116  a million of them
    except OSError as error:
        raise DataUnreadable(
            f"{shown_path(original)} cannot be read ({error.strerror}); see that its disk is there and sound, or "
            "remove it"
        ) from error


def shrunk(content: bytearray, cache_side: int) -> tuple[bytes, bool]:
    """A JPEG with the shorter side scaled down, and whether the image is faint, which a JPEG does not show.

    Unchanged is what is small already, or damaged, which training tells.
    """
    try:
        image = decode_rgb(content)
    except Undecodable:
        return bytes(content), False
    faint = is_faint(content, image)
    height, width = image.shape[1:]
    scale = cache_side / min(height, width)
    if scale >= 1 and content.startswith(jpeg.START):
        return bytes(content), faint
    if scale < 1:
        image = resized(image, max(1, round(height * scale)), max(1, round(width * scale)))
    encoded = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue(), faint


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
