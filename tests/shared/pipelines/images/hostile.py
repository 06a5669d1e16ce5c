"""Pictures as no camera of good will sends them, made here so that every byte of them is known."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

SECRET = b"GPS 52.3731 N 4.8926 E"
SCRIPT = b"<script>alert('hidden')</script>"


def noise(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    """A picture that does not compress away, without pixels that JPEG would ruin."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def saved(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg(width: int = 64, height: int = 48, seed: int = 0, **options: Any) -> bytes:
    return saved(noise(width, height, seed), "JPEG", quality=90, **options)


def with_exif(*, orientation: int = 1, taken_at: str = "") -> bytes:
    """A JPEG whose camera says how it was held, when, and where."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = "N"
    if taken_at:
        exif.get_ifd(0x8769)[0x9003] = taken_at
    return jpeg(exif=exif, comment=SECRET)


def truncated(kind: str = "JPEG") -> bytes:
    whole = saved(noise(200, 200), kind)
    return whole[: len(whole) // 2]


def polyglot() -> bytes:
    """A JPEG that is a script too: in a comment, in an unknown segment, and behind its end."""
    whole = jpeg(comment=SCRIPT)
    segment = b"\xff\xec" + (len(SCRIPT) + 2).to_bytes(2, "big") + SCRIPT
    return whole[:2] + segment + whole[2:] + SCRIPT


def polyglot_png() -> bytes:
    note = PngImagePlugin.PngInfo()
    note.add_text("Comment", SCRIPT.decode())
    return saved(noise(), "PNG", pnginfo=note) + SCRIPT


def bomb_png(side: int = 30_000) -> bytes:
    """A few hundred kilobytes that would be gigabytes of pixels."""
    row = b"\0" * (1 + side * 3)
    packed = zlib.compressobj(9)
    data = b"".join(packed.compress(row) for _ in range(64)) + packed.flush()
    return _png(struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), data)


def text_bomb_png() -> bytes:
    """A small picture with a text that unfolds to a hundred megabytes."""
    whole = saved(noise(), "PNG")
    text = b"Comment\0\0" + zlib.compress(b"a" * 100_000_000, 9)
    return whole[:33] + _chunk(b"zTXt", text) + whole[33:]


def cmyk() -> bytes:
    return saved(noise().convert("CMYK"), "JPEG")


def deep_png() -> bytes:
    """16 bits: a ramp from black to white."""
    ramp = np.linspace(0, 65_535, 64, dtype=np.uint16)[None, :].repeat(48, axis=0)
    return saved(Image.fromarray(ramp), "PNG")


def animated(kind: str) -> bytes:
    return saved(noise(), kind, save_all=True, append_images=[noise(seed=1)], duration=100)


def _png(header: bytes, data: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
