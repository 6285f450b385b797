"""Images that Pillow reads, as RGB: every mode by what its numbers mean, or refused by its name."""

from __future__ import annotations

import io
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT

from worker.engine.data.errors import Undecodable

#: Pillow would have Ghostscript run them.
_PROGRAMS = (b"%!PS", b"\xc5\xd0\xd3\xc6")
#: Of an image in any format: 0.8 GB as RGB.
MOST_PIXELS = 1 << 28
_TURNED_FROM, _TURNED_TO = 2, 8
_ORIENTATION = 0x0112
EMPTY = "the file is empty"
_WHITE_IS_ZERO = 0
#: Of TIFF's SampleFormat.
_SIGNED = 2

Pixels = npt.NDArray[np.uint8]


def decode(content: bytearray) -> Pixels:
    """[height, width, 3], as Pillow sees it, the first frame of several. Raises Undecodable."""
    if not content:
        raise Undecodable(EMPTY)
    if content.startswith(_PROGRAMS):
        raise Undecodable("a PostScript program, which is not run")
    try:
        with warnings.catch_warnings():
            # What Pillow warns of is in files by the thousand (odd EXIF, large images) and changes no pixel.
            warnings.simplefilter("ignore")
            with _opened(content) as image:
                return np.array(_eight_bits(image).convert("RGB"))
    except Undecodable:
        raise
    except Exception as error:
        # On damaged bytes its readers raise whatever they stumble over, NotImplementedError among it.
        raise Undecodable(_short(error)) from error


def is_faint(content: bytearray) -> bool:
    """Grey of 12 or 16 bits with all its numbers below a sixteenth of what these hold, and not all of them 0.

    So are 8 or 12 bits that were written into 16 as they were: scaled, at most 16 shades are left of them.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(content) as image:
                return _is_deep_grey(image) and 0 < int(np.asarray(image).max()) < 1 << (_bits(image) - 4)
    except Exception:  # noqa: BLE001  as for pixels; the image is judged elsewhere
        return False


def orientation(content: bytearray) -> int:
    """EXIF's orientation: 1 as stored, 2 to 8 mirrored or turned; 1 too where there is none or it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(content) as image:
                found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001  as for pixels; the image is judged elsewhere
        return 1
    return found if isinstance(found, int) and _TURNED_FROM <= found <= _TURNED_TO else 1


def refuse_too_many_pixels(width: int, height: int) -> None:
    """Raises Undecodable with the limit and the remedy."""
    if width * height > MOST_PIXELS:
        raise Undecodable(f"{width:,} x {height:,} pixels, above the {MOST_PIXELS:,} that are read; make it smaller")


def _opened(content: bytearray) -> Image.Image:
    # Pillow's own limit, which knows no remedy, is laid above ours.
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        image = Image.open(io.BytesIO(content))
    except Image.DecompressionBombError as error:
        raise Undecodable(
            f"more than twice the {MOST_PIXELS:,} pixels that are read ({error}); make it smaller"
        ) from error
    refuse_too_many_pixels(*image.size)
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    """Pillow cuts greater numbers off at 255, and fractions to 0, where they should be scaled."""
    if _is_deep_grey(image):
        return _scaled(image, np.asarray(image).astype(np.int64) >> (_bits(image) - 8))
    if image.mode == "I" or _is_signed(image):
        raise Undecodable(
            f"a {image.format} of whole numbers with a sign or of 32 bits, whose white is not known; "
            "convert it to 8 or 16 bits without a sign"
        )
    if image.mode == "F":
        return _scaled(image, np.rint(_fractions(image) * 255))
    return image


def _is_deep_grey(image: Image.Image) -> bool:
    """Of 12 or 16 bits; to 16 the readers of PPM and PNG scale by themselves."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PPM", "PNG"))


def _is_signed(image: Image.Image) -> bool:
    """Pillow reads 8 bits with a sign as if they had none."""
    found = _tag(image, SAMPLEFORMAT)
    return _SIGNED in (found if isinstance(found, tuple) else (found,))


def is_cmyk(content: bytearray) -> bool:
    """Of four inks, which decoders turn to colours in different ways."""
    try:
        with _opened(content) as image:
            return image.mode == "CMYK"
    except Exception:  # noqa: BLE001  as for pixels; the image is judged elsewhere
        return False


def _fractions(image: Image.Image) -> npt.NDArray[np.float64]:
    values = np.asarray(image).astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0.0 and high <= 1.0):  # NaN is neither
        raise Undecodable(
            f"a {image.format} of fractions from {low:g} to {high:g}, where 0 to 1 is read; scale it, or convert it to "
            "8 or 16 bits"
        )
    return values


def _scaled(image: Image.Image, values: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> Image.Image:
    pixels = values.clip(0, 255).astype(np.uint8)
    # Pillow turns 8 bits of this kind over, and no others.
    return Image.fromarray(255 - pixels if _tag(image, PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO else pixels)


def _bits(image: Image.Image) -> int:
    """Pillow reads 12 bits of a TIFF without scaling them."""
    bits = _tag(image, BITSPERSAMPLE)
    return 12 if bits in (12, (12,)) else 16


def _tag(image: Image.Image, number: int) -> object:
    tags = getattr(image, "tag_v2", None)
    return None if tags is None else tags.get(number)


def _short(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no image in any known format"
    return str(error) or type(error).__name__
