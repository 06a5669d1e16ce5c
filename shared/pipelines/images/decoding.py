"""From the bytes of a file to its pixels, whoever sent it: what it is, is read from the bytes, never from a name.

Formats are JPEG, PNG and WebP. Sizes are checked before anything is decoded. Every fault is an InvalidInputError whose
code is the reason: ``not-an-image``, ``too-large``, ``too-many-pixels``, ``too-small``, ``animated``, ``truncated``,
``unreadable``.
"""

import struct
import warnings
from datetime import datetime
from io import BytesIO
from typing import Any, Final, NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageOps

from shared.errors import InvalidInputError
from shared.pipelines.images.jpeg_file import picture_only
from shared.pipelines.images.policy import policy

Pixels = NDArray[np.uint8]
"""A picture, [height, width, 3], RGB."""

_FORMATS: Final = ("JPEG", "PNG", "WEBP")
_MAGIC: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")
_ORIENTATION: Final = 0x0112
_EXIF_PART: Final = 0x8769
_TAKEN_AT: Final = 0x9003
_TAKEN_OFFSET: Final = 0x9011
_DEEP: Final = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I"})
_SMALLEST: Final = 32  # pixels of the side at which a JPEG is tried: the least work that reads all of its data

# what Pillow raises on bytes that are no picture, or not a whole one
_FAULTS: Final = (
    OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, TypeError, OverflowError, struct.error,
    MemoryError, ZeroDivisionError, Warning, Image.DecompressionBombError,
)  # fmt: skip

# Pillow only warns of a bomb up to twice this; we look at the size ourselves, and its own error stands behind us
Image.MAX_IMAGE_PIXELS = policy().limits.max_pixels
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class Cleaned(NamedTuple):
    """A picture as it is kept: turned as it was meant, with nothing in its file but the picture.

    ``taken_at`` is what the camera had written into the file, often without a zone; it is not in ``data`` any more.
    """

    data: bytes
    format: str
    width: int
    height: int
    taken_at: datetime | None


def clean(data: bytes) -> Cleaned:
    """Check a file whole, and return it cleaned. The same bytes give the same bytes.

    A plain JPEG keeps its coded picture bit by bit, so scores of the file and of what is kept are equal. Everything
    else is decoded and encoded again: PNG as PNG, the rest as JPEG. Raises InvalidInputError.
    """
    image = _open(data)
    taken_at = _taken_at(image)
    jpeg = image.format in {"JPEG", "MPO"}
    if jpeg and _turn(image) == 1 and (kept := _whole_jpeg(data)) is not None:
        return Cleaned(kept, "jpeg", image.width, image.height, taken_at)
    pixels = _decoded(image)
    height, width, _ = pixels.shape
    if image.format == "PNG":
        return Cleaned(_png(pixels), "png", width, height, taken_at)
    encoded = simplejpeg.encode_jpeg(pixels, quality=policy().stored.jpeg_quality, colorsubsampling="444")
    return Cleaned(bytes(encoded), "jpeg", width, height, taken_at)


def decode(data: bytes, least: int) -> Pixels:
    """Return the pixels of a file. A JPEG may come smaller, as long as no side is shorter than ``least``.

    A JPEG is stored as sums of waves; leaving out the fine ones gives it at a half, a quarter or an eighth at once,
    for a part of the work. Raises InvalidInputError.
    """
    if data.startswith(_MAGIC[0]):
        try:
            height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
            if _fits(width, height) and colours != "CMYK" and not _may_be_turned(data):
                pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=least, min_width=least)
                return pixels
        except ValueError:
            pass  # not quite plain: Pillow takes more, and knows what is wrong
    return _decoded(_open(data))


def _open(data: bytes) -> Image.Image:
    limits = policy().limits
    if len(data) > limits.max_bytes:
        raise _refused("too-large", f"the file is over {limits.max_bytes:,} bytes")
    if not data.startswith(_MAGIC):
        raise _refused("not-an-image", "the file is no JPEG, PNG or WebP")
    try:
        image = Image.open(BytesIO(data), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many() from None
    except _FAULTS:
        raise _refused("unreadable", "the file begins like an image, but its header cannot be read") from None
    if image.width * image.height > limits.max_pixels:
        raise _too_many()
    if min(image.width, image.height) < limits.min_side:
        raise _refused("too-small", f"the picture has {image.width} x {image.height} pixels, {limits.min_side} needed")
    if image.format in {"PNG", "WEBP"} and getattr(image, "n_frames", 1) > 1:
        raise _refused("animated", "the file holds several pictures: a webcam frame is one")
    return image


def _fits(width: int, height: int) -> bool:
    limits = policy().limits
    return width * height <= limits.max_pixels and min(width, height) >= limits.min_side


def _may_be_turned(data: bytes) -> bool:
    """Whether a JPEG has an Exif part, which may say that the camera was held on its side."""
    return b"Exif\0\0" in data[: 1 << 16]


def _decoded(image: Image.Image) -> Pixels:
    try:
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode in _DEEP:
            deep = np.asarray(image)
            image = Image.fromarray((deep >> 8).clip(0, 255).astype(np.uint8))
        return np.asarray(image.convert("RGB"))
    except OSError as fault:
        cut = "truncated" in str(fault) or "broken" in str(fault)
        raise _refused(*(_TRUNCATED if cut else _UNREADABLE)) from None
    except _FAULTS:
        raise _refused(*_UNREADABLE) from None


def _whole_jpeg(data: bytes) -> bytes | None:
    """Return a JPEG with nothing but its picture, once all of its data has been read without a fault; else None."""
    kept = picture_only(data)
    if kept is None:
        return None
    try:
        simplejpeg.decode_jpeg(kept, "RGB", min_height=_SMALLEST, min_width=_SMALLEST)
    except ValueError:
        return None
    return kept


def _png(pixels: Pixels) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=policy().stored.png_compression)
    return out.getvalue()


def _turn(image: Image.Image) -> int:
    return int(_exif(image).get(_ORIENTATION) or 1)


def _taken_at(image: Image.Image) -> datetime | None:
    exif = _exif(image)
    try:
        part = exif.get_ifd(_EXIF_PART) if isinstance(exif, Image.Exif) else {}
        at, offset = str(part.get(_TAKEN_AT, "")), str(part.get(_TAKEN_OFFSET, ""))
        return datetime.strptime(at + offset, "%Y:%m:%d %H:%M:%S" + "%z" * bool(offset))  # noqa: DTZ007  (as written)
    except _FAULTS:
        return None  # no time is better than a wrong one


def _exif(image: Image.Image) -> Any:
    try:
        return image.getexif()
    except _FAULTS:
        return {}  # it is dropped in any case


_TRUNCATED: Final = ("truncated", "the file ends before its picture does")
_UNREADABLE: Final = ("unreadable", "the picture cannot be decoded")


def _too_many() -> InvalidInputError:
    return _refused("too-many-pixels", f"the picture claims over {policy().limits.max_pixels:,} pixels")


def _refused(reason: str, message: str) -> InvalidInputError:
    return InvalidInputError(message, code=reason, advice="send one JPEG, PNG or WebP picture as the camera wrote it")
