"""The structure of a JPEG file (ITU T.81, Annex B): its frame and its markers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

START = b"\xff\xd8\xff"
#: Among coded pixels FF is followed by 0 or by the number of a restart; by anything else, it is a marker.
MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
#: The same, with restarts.
END_OF_CODED = re.compile(rb"\xff+([^\x00\xff])")
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
RESTARTS = range(0xD0, 0xD8)


class Frame(NamedTuple):
    """What a JPEG says of itself before its pixels begin."""

    bits: int
    height: int
    width: int
    components: int

    @property
    def is_ordinary(self) -> bool:
        """Grey or YCbCr; CMYK and YCCK have four components, and decoders differ in what they make of them."""
        return self.bits == 8 and self.components in (1, 3) and self.height > 0 and self.width > 0


def frame_of(content: bytearray) -> Frame | None:
    """The frame header (B.2.2); None where there is none."""
    place, length = 2, len(content)
    while place + 9 < length and content[place] == 0xFF:
        marker = content[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = (int.from_bytes(content[place + at : place + at + 2], "big") for at in (5, 7))
            return Frame(content[place + 4], height, width, content[place + 9])
        # A fill byte stands alone; every other segment before the frame says how long it is.
        place += 1 if marker == 0xFF else 2 + length_at(content, place + 2)
    return None


def has_end_marker(content: bytearray) -> bool:
    """From marker to marker (B.1.1), past what looks like one in a phone's film hung on to its photograph."""
    if content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda"):
        return True
    place = 2
    while found := MARKER.search(content, place):
        if found[1][0] == END_OF_IMAGE:
            return True
        place = found.end() + length_at(content, found.end())
    return False


def segments(content: bytearray) -> Iterator[tuple[int, int, int]]:
    """Every marker up to the end of the image: its number, where what belongs to it starts, and where it begins."""
    place = 2
    while found := END_OF_CODED.search(content, place):
        marker = found[1][0]
        yield marker, found.end(), found.start()
        if marker == END_OF_IMAGE:
            return
        place = found.end() + (0 if marker in RESTARTS else length_at(content, found.end()))


def length_at(content: bytearray, place: int) -> int:
    return int.from_bytes(content[place : place + 2], "big")
