"""From a file's bytes to pixels, by what the bytes are and not by what the file is called.

Ordinary JPEGs go through torchvision's decoder, which is libjpeg-turbo as Pillow's is and gives the same bits in less
time. Everything else goes through Pillow. A rotation asked for in EXIF is left out, as by torchvision's own folders;
torchcodec's decoder, which torchvision names as its successor, cannot leave it out (0.17), and is no faster.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from worker.engine.data import jpeg, pillow_formats
from worker.engine.data.errors import Undecodable

#: Encoded bytes, uint8 [N], to pixels, uint8 [3, height, width]. Raises RuntimeError.
JpegDecoder = Callable[[Tensor], Tensor]

#: What is left in 8 bits of a sixteenth of the range; where 0 is white, it is at the other end.
FEW_SHADES = 16


def decode_rgb(content: bytearray) -> Tensor:
    """uint8 [3, height, width], stored pixel by pixel as channels_last is. Raises Undecodable."""
    if not content.startswith(jpeg.START):
        return _by_pillow(content)
    if not jpeg.has_end_marker(content):
        # Pillow takes a file whose second half the disk lost to zeros for whole, and shows grey there.
        raise Undecodable("the JPEG ends before its end marker")
    frame = jpeg.frame_of(content)
    if frame is None or not frame.is_ordinary:
        return _by_pillow(content)
    pillow_formats.refuse_too_many_pixels(frame.width, frame.height)
    decoder = fast_jpeg_decoder()
    if decoder is None:
        return _by_pillow(content)
    try:
        return decoder(torch.frombuffer(content, dtype=torch.uint8))
    except RuntimeError:
        return _by_pillow(content)


def is_faint(content: bytearray, pixels: Tensor) -> bool:
    """Whether `pixels`, decoded from it, are nearly one shade as its 12 or 16 bits are hardly used."""
    if content.startswith(jpeg.START) or (int(pixels.max()) >= FEW_SHADES and int(pixels.min()) <= 255 - FEW_SHADES):
        return False
    return pillow_formats.is_faint(content)


@cache
def fast_jpeg_decoder() -> JpegDecoder | None:
    """The operator below torchvision.io.decode_jpeg, which since 0.29 warns at every call that it will be removed."""
    from torchvision.io import ImageReadMode

    try:
        decode_jpeg = torch.ops.image.decode_jpeg
    except AttributeError:
        return None
    return lambda encoded: decode_jpeg(encoded, ImageReadMode.RGB.value, False)


def _by_pillow(content: bytearray) -> Tensor:
    return torch.from_numpy(pillow_formats.decode(content)).permute(2, 0, 1)
