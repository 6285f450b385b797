"""Arrays of structures from MATLAB's files of version 5 (MAT-File Format, MathWorks, chapter 1), and nothing else."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15
STRUCT, CHAR = 2, 4
#: By data type: the letter that `struct` has for it.
NUMBERS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
#: miUINT16 is what MATLAB writes, one number for each character; the others are Unicode's.
ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le", 18: "utf-32-le"}

Value = str | tuple[float, ...] | None


class NotMatlab(ValueError):
    """The bytes are no such file, or end early."""


@dataclass(frozen=True)
class Element:
    kind: int
    content: bytes


def read_structures(content: bytes, name: str) -> list[dict[str, Value]]:
    """The elements of the structure array `name`: texts, numbers as tuples, None for what is neither.

    Raises NotMatlab.
    """
    if len(content) < HEADER_BYTES or content[126:128] != b"IM":
        raise NotMatlab("it has no header of MATLAB's version 5 in little-endian order")
    try:
        for element in _elements(content[HEADER_BYTES:]):
            whole = next(_elements(zlib.decompress(element.content))) if element.kind == COMPRESSED else element
            parts = list(_elements(whole.content))
            if whole.kind == MATRIX and parts[2].content.decode("latin-1") == name:
                return list(_structures(parts))
    except NotMatlab:
        raise
    except (struct.error, zlib.error, LookupError, StopIteration, ValueError) as error:
        raise NotMatlab(f"it is damaged ({error or 'a part is missing'})") from error
    raise NotMatlab(f"it holds no variable {name}")


def _structures(parts: Sequence[Element]) -> Iterator[dict[str, Value]]:
    """Flags, dimensions and name come first, then the fields' names, then the values, element by element."""
    if parts[0].content[0] != STRUCT:
        raise NotMatlab("its variable is no array of structures")
    width = struct.unpack("<i", parts[3].content[:4])[0]
    texts = parts[4].content
    fields = [texts[at : at + width].split(b"\0")[0].decode("latin-1") for at in range(0, len(texts), width)]
    values = parts[5:]
    for start in range(0, len(values), len(fields)):
        row = values[start : start + len(fields)]
        yield {field: _value(value) for field, value in zip(fields, row, strict=True)}


def _value(matrix: Element) -> Value:
    parts = list(_elements(matrix.content))
    if len(parts) < 4:
        return () if parts else None
    kind, data = parts[0].content[0], parts[3]
    if kind == CHAR:
        return data.content.decode(ENCODINGS[data.kind])
    if data.kind not in NUMBERS or kind <= CHAR:
        return None
    letter = NUMBERS[data.kind]
    count = len(data.content) // struct.calcsize(letter)
    return tuple(float(number) for number in struct.unpack(f"<{count}{letter}", data.content))


def _elements(content: bytes) -> Iterator[Element]:
    place = 0
    while place + 8 <= len(content):
        kind, size = struct.unpack_from("<II", content, place)
        if kind >> 16:
            # A small element: its size stands in the upper half of the type, its four bytes in place of the size.
            yield Element(kind & 0xFFFF, content[place + 4 : place + 4 + (kind >> 16)])
            place += 8
            continue
        if place + 8 + size > len(content):
            raise NotMatlab("it ends early")
        yield Element(kind, content[place + 8 : place + 8 + size])
        place += 8 + size
        if kind != COMPRESSED:
            place += -size % 8
