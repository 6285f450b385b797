"""What is to be known of an image file, from one reading of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.engine.data import jpeg, pillow_formats
from worker.engine.data.decode import decode_rgb, is_faint
from worker.engine.data.errors import DataUnreadable, Undecodable
from worker.engine.data.reading import read_bytes
from worker.engine.verify.missing import missing_share

#: Pixels; a crop of less shows nothing.
TINY = 32
CMYK_COMPONENTS = 4
#: How files begin, and the extensions that say so.
FORMATS: dict[str, tuple[tuple[bytes, ...], tuple[str, ...]]] = {
    "JPEG": ((jpeg.START,), (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo")),
    "PNG": ((b"\x89PNG\r\n\x1a\n",), (".png", ".apng")),
    "BMP": ((b"BM",), (".bmp", ".dib")),
    "WebP": ((b"RIFF",), (".webp",)),
    "TIFF": ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), (".tif", ".tiff")),
    "PNM": (tuple(f"P{kind}".encode() for kind in "123456fF"), (".ppm", ".pgm", ".pbm", ".pnm", ".pfm")),
    "GIF": ((b"GIF8",), (".gif",)),
}


@dataclass(frozen=True, slots=True)
class Inspected:
    """`trouble` says why it cannot be read, `odd_format` what it is where its name says otherwise.

    `missing` is the share of its pixels that are not in the file; a decoder shows grey there. `is_turned` says that
    EXIF asks for it to be turned or mirrored, `is_faint` that its numbers fill too little of their range to be seen.
    """

    path: str
    digest: bytes
    size: int
    trouble: str | None = None
    is_cmyk: bool = False
    is_tiny: bool = False
    is_turned: bool = False
    is_faint: bool = False
    missing: float = 0.0
    odd_format: str | None = None


def inspect_all(paths: Sequence[str]) -> list[Inspected]:
    return [inspect(path) for path in paths]


def inspect(path: str) -> Inspected:
    """Read and decoded as a training does it, and a JPEG once more to see whether all of it is there."""
    try:
        content = read_bytes(path, pause=lambda _: None)
    except (DataUnreadable, Undecodable) as error:
        return Inspected(path, b"", 0, trouble=f"it cannot be read: {_reason(error)}")
    digest = hashlib.blake2b(content, digest_size=16).digest()
    if not content:
        return Inspected(path, digest, 0, trouble=pillow_formats.EMPTY)
    try:
        pixels = decode_rgb(content)
    except Undecodable as error:
        return Inspected(path, digest, len(content), trouble=str(error))
    height, width = pixels.shape[1:]
    is_jpeg = content.startswith(jpeg.START)
    frame = jpeg.frame_of(content) if is_jpeg else None
    return Inspected(
        path,
        digest,
        len(content),
        is_cmyk=frame.components == CMYK_COMPONENTS if frame is not None else pillow_formats.is_cmyk(content),
        is_tiny=min(height, width) < TINY,
        is_turned=pillow_formats.orientation(content) != 1,
        is_faint=is_faint(content, pixels),
        missing=missing_share(content) if is_jpeg else 0.0,
        odd_format=_odd_format(path, content),
    )


def _reason(error: ValueError) -> str:
    cause = error.__cause__
    return (isinstance(cause, OSError) and cause.strerror) or str(cause)


def _odd_format(path: str, content: bytearray) -> str | None:
    extension = Path(path).suffix.lower()
    named = next((name for name, (_, extensions) in FORMATS.items() if extension in extensions), None)
    if named is None or content.startswith(FORMATS[named][0]):
        return None
    return next((name for name, (starts, _) in FORMATS.items() if content.startswith(starts)), "of another format")
