"""How much of a JPEG is missing from a file whose end marker stands: decoders say nothing of it and show grey."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from worker.engine.data.errors import Undecodable
from worker.engine.data.jpeg import RESTARTS, START_OF_SCAN, length_at, segments
from worker.engine.data.pillow_formats import decode

_SEQUENTIAL, _PROGRESSIVE, _RESTART_INTERVAL = (0xC0, 0xC1), 0xC2, 0xDD
_COEFFICIENTS = 64
_STRAY_BYTES = 1024


def missing_share(content: bytearray) -> float:
    """The share of the image that is not in the file though its end marker is: 0 for a whole one."""
    try:
        return max(_missing_pixels(content), _missing_coefficients(content), _missing_intervals(content))
    except (Undecodable, IndexError, ValueError):
        # Headers that a decoder forgave and that say nothing to be counted.
        return 0.0


def _missing_pixels(content: bytearray) -> float:
    """Decoders fill with grey what they do not find, and say nothing.

    Stray bytes before every marker at which coded pixels end change nothing in a whole image, whose decoder skips
    them (B.1.1.2), and are taken for pixels where some are missing. Pillow decodes both, for torchvision's decoder
    would write of the stray bytes to standard error.
    """
    whole = decode(content)
    # Enough for all of an image of which next to nothing is there.
    stuffed = decode(_with_stray_bytes(content, last=whole.shape[0] * whole.shape[1]))
    return float((whole != stuffed).any(2).mean())


def _missing_coefficients(content: bytearray) -> float:
    """Of a progressive JPEG, which sends them in several scans (Annex G), the share that no scan completes."""
    components: list[int] = []
    #: By component and coefficient, how many of its lowest bits are not sent yet.
    unsent: dict[tuple[int, int], int] = {}
    for marker, start, _ in segments(content):
        if marker == _PROGRESSIVE:
            components = [content[start + 8 + 3 * number] for number in range(content[start + 7])]
        elif marker == START_OF_SCAN and components:
            count = content[start + 2]
            first, last, bits = content[start + 3 + 2 * count : start + 6 + 2 * count]
            for number in range(count):
                component = content[start + 3 + 2 * number]
                unsent |= {(component, coefficient): bits & 0xF for coefficient in range(first, last + 1)}
    wanted = [(component, coefficient) for component in components for coefficient in range(_COEFFICIENTS)]
    return sum(unsent.get(key, 1) > 0 for key in wanted) / len(wanted) if wanted else 0.0


def _missing_intervals(content: bytearray) -> float:
    """Of a JPEG in one scan whose pixels are interrupted by restart markers (E.1.4), how many of the parts between
    them are absent: a decoder that does not meet the next marker leaves all that follow grey."""
    blocks = interval = scans = found = 0
    for marker, start, _ in segments(content):
        if marker in _SEQUENTIAL:
            blocks = _blocks(content, start)
        elif marker == _RESTART_INTERVAL:
            interval = length_at(content, start + 2)
        elif marker == START_OF_SCAN:
            scans += 1
        found += marker in RESTARTS
    if not (blocks and interval) or scans != 1:
        return 0.0
    wanted = -(-blocks // interval)
    return max(0.0, 1.0 - (found + 1) / wanted)


def _blocks(content: bytearray, start: int) -> int:
    """How many minimum coded units make the image (A.2); `start` is where the frame header's length stands."""
    height, width, components = length_at(content, start + 3), length_at(content, start + 5), content[start + 7]
    sampling = [content[start + 9 + 3 * number] for number in range(components)]
    # One component alone is coded block by block, however it is sampled (A.2.2).
    across, down = (max(s >> 4 for s in sampling), max(s & 15 for s in sampling)) if components > 1 else (1, 1)
    return -(-width // (8 * across)) * -(-height // (8 * down))


def _with_stray_bytes(content: bytearray, *, last: int) -> bytearray:
    """`last` bytes or more where the pixels end, and some wherever they are interrupted."""
    stuffed, copied, block = bytearray(), 0, _stray()
    ends = list(_ends_of_coded(content))
    for end in ends:
        stuffed += content[copied:end] + block * (1 + (last // len(block) if end == ends[-1] else 0))
        copied = end
    return stuffed + content[copied:]


def _ends_of_coded(content: bytearray) -> Iterator[int]:
    """Where coded pixels are followed by a marker, restarts included, up to the end of the image."""
    is_coded = False
    for marker, _, before in segments(content):
        if is_coded:
            yield before
        is_coded = marker == START_OF_SCAN or marker in RESTARTS


def _stray() -> bytes:
    """Bits without a pattern, and no marker among them."""
    block = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(_STRAY_BYTES // 32))
    return block.replace(b"\xff", b"\x5a")
