"""From a file's bytes to pixels, by what the bytes are and not by what the file is called.

Ordinary JPEGs go through torchvision's decoder, which is libjpeg-turbo as Pillow's is and gives the same bits in less
time. Everything else goes through Pillow. A rotation asked for in EXIF is left out, as by torchvision's own folders.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torchvision.io import ImageReadMode

from worker.engine.data.errors import Undecodable

RGB = ImageReadMode.RGB.value
JPEG = b"\xff\xd8\xff"
START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
#: Among coded pixels FF is followed by 0 or by the number of a restart; by anything else, it is a marker.
MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
#: Pillow would have Ghostscript run them.
PROGRAMS = (b"%!PS", b"\xc5\xd0\xd3\xc6")
#: Pillow refuses twice as many as this as a decompression bomb.
MANY_PIXELS = 89_478_485


class Frame(NamedTuple):
    """What a JPEG says of itself before its pixels begin."""

    bits: int
    height: int
    width: int
    components: int

    @property
    def is_ordinary(self) -> bool:
        """Grey or YCbCr; CMYK and YCCK have four components, and decoders differ in what they make of them."""
        return self.bits == 8 and self.components in (1, 3) and 0 < self.height * self.width <= MANY_PIXELS


def decode_rgb(content: bytearray) -> Tensor:
    """uint8 [3, height, width], stored pixel by pixel as channels_last is. Raises Undecodable."""
    if not content.startswith(JPEG):
        return _by_pillow(content)
    if content.rfind(END_OF_IMAGE) < content.rfind(START_OF_SCAN) and not _has_end(content):
        # Pillow takes a file whose second half the disk lost to zeros for whole, and shows grey there.
        raise Undecodable("the JPEG ends before its end marker")
    frame = jpeg_frame(content)
    if frame is None or not frame.is_ordinary:
        return _by_pillow(content)
    try:
        # The operator below torchvision.io.decode_jpeg, which since 0.29 warns at every call that it will move.
        pixels: Tensor = torch.ops.image.decode_jpeg(torch.frombuffer(content, dtype=torch.uint8), RGB, False)
    except RuntimeError:
        return _by_pillow(content)
    return pixels


def jpeg_frame(content: bytearray) -> Frame | None:
    """The frame header of a JPEG (ITU T.81, B.2.2); None where there is none."""
    place, length = 2, len(content)
    while place + 9 < length and content[place] == 0xFF:
        marker = content[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = (int.from_bytes(content[place + at : place + at + 2], "big") for at in (5, 7))
            return Frame(content[place + 4], height, width, content[place + 9])
        # A fill byte stands alone; every other segment before the frame says how long it is.
        place += 1 if marker == 0xFF else 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return None


def _has_end(content: bytearray) -> bool:
    """From marker to marker (T.81, B.1.1), past what looks like one in a phone's film hung on to its photograph."""
    place = 2
    while found := MARKER.search(content, place):
        if found[1] == END_OF_IMAGE[1:]:
            return True
        place = found.end() + int.from_bytes(content[found.end() : found.end() + 2], "big")
    return False


def _by_pillow(content: bytearray) -> Tensor:
    if content.startswith(PROGRAMS):
        raise Undecodable("a PostScript program, which is not run")
    try:
        pixels = _seen_by_pillow(content)
    except Exception as error:
        # On damaged bytes its readers raise whatever they stumble over, NotImplementedError among it.
        raise Undecodable(_short(error)) from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _seen_by_pillow(content: bytearray) -> npt.NDArray[np.uint8]:
    with warnings.catch_warnings():
        # What Pillow warns of is in files by the thousand (odd EXIF, large images) and changes no pixel.
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(content)) as image:
            return np.array(_eight_bits(image).convert("RGB"))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Pillow cuts 16 bits off at 255 where it should scale them."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8))


def _short(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no image in any known format"
    return str(error) or type(error).__name__
