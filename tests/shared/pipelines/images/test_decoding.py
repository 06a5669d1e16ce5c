"""Files of all kinds: what is taken, what is left of it, and what is refused with which reason."""

from datetime import datetime
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shared.errors import InvalidInputError
from shared.pipelines.images.decoding import clean, decode
from tests.shared.pipelines.images import hostile


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(data)).convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not-an-image"),
        (b"GIF89a" + bytes(100), "not-an-image"),
        (b"\xff\xd8\xff" + bytes(100), "unreadable"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "unreadable"),
        (hostile.truncated("JPEG"), "truncated"),
        (hostile.truncated("PNG"), "truncated"),
        (hostile.truncated("WEBP"), "unreadable"),
        (hostile.bomb_png(), "too-many-pixels"),
        (hostile.animated("PNG"), "animated"),
        (hostile.animated("WEBP"), "animated"),
        (hostile.jpeg(1, 1), "too-small"),
        (hostile.text_bomb_png(), "unreadable"),
        (bytes(34_000_000), "too-large"),
    ],
)
def test_bad_files_are_refused_with_their_reason(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        clean(data)
    assert refused.value.instance_code == reason


@pytest.mark.parametrize("progressive", [False, True])
def test_a_plain_jpeg_keeps_its_picture_bit_by_bit(progressive: bool) -> None:
    data = hostile.jpeg(progressive=progressive, comment=hostile.SECRET)
    cleaned = clean(data)
    assert (_pixels(cleaned.data) == _pixels(data)).all()
    assert hostile.SECRET not in cleaned.data
    assert clean(cleaned.data).data == cleaned.data


def test_where_and_by_whom_is_dropped_and_when_is_told() -> None:
    cleaned = clean(hostile.with_exif(taken_at="2026:02:12 18:30:00"))
    assert hostile.SECRET not in cleaned.data
    assert b"Exif" not in cleaned.data
    assert not Image.open(BytesIO(cleaned.data)).getexif()
    assert cleaned.taken_at == datetime(2026, 2, 12, 18, 30)  # noqa: DTZ001  (as the camera said it)


@pytest.mark.parametrize(("orientation", "rotate"), [(3, 180), (6, 270), (8, 90)])
def test_a_turned_picture_is_turned_for_good(orientation: int, rotate: int) -> None:
    cleaned = clean(hostile.with_exif(orientation=orientation))
    expected = np.asarray(hostile.noise().rotate(rotate, expand=True)).astype(int)
    assert (cleaned.height, cleaned.width) == expected.shape[:2]
    assert abs(_pixels(cleaned.data) - expected).mean() < 4
    assert b"Exif" not in cleaned.data


@pytest.mark.parametrize("data", [hostile.polyglot(), hostile.polyglot_png()])
def test_a_script_in_a_picture_does_not_come_through(data: bytes) -> None:
    assert hostile.SCRIPT in data
    cleaned = clean(data)
    assert hostile.SCRIPT not in cleaned.data
    assert abs(_pixels(cleaned.data) - np.asarray(hostile.noise())).mean() < 4


def test_four_colours_become_three() -> None:
    cleaned = clean(hostile.cmyk())
    assert Image.open(BytesIO(cleaned.data)).mode == "RGB"
    assert abs(_pixels(cleaned.data) - np.asarray(hostile.noise())).mean() < 4


def test_sixteen_bits_become_eight_and_keep_their_range() -> None:
    pixels = decode(hostile.deep_png(), 16)
    assert pixels.dtype == np.uint8
    assert pixels[0, 0, 0] == 0
    assert pixels[0, -1, 0] == 255
    assert abs(int(pixels[0, 32, 0]) - 129) < 3


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1"])
def test_every_kind_of_png_becomes_rgb(mode: str) -> None:
    cleaned = clean(hostile.saved(hostile.noise().convert(mode), "PNG"))
    assert cleaned.format == "png"
    assert Image.open(BytesIO(cleaned.data)).mode == "RGB"


def test_webp_is_kept_as_jpeg() -> None:
    assert clean(hostile.saved(hostile.noise(), "WEBP")).format == "jpeg"


def test_what_is_behind_a_jpegs_end_does_not_count_but_a_missing_end_does() -> None:
    data = hostile.jpeg()
    assert clean(data + bytes(1000)).data == clean(data).data
    assert decode(clean(data[:-2] + b"\xff\xd9").data, 16).shape[2] == 3


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_are_read_or_refused_never_worse(draw: st.DataObject) -> None:
    kind = draw.draw(st.sampled_from(["JPEG", "PNG", "WEBP"]))
    data = bytearray(hostile.saved(hostile.noise(), kind))
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    end = draw.draw(st.integers(1, len(data)))
    try:
        cleaned = clean(bytes(data[:end]))
    except InvalidInputError:
        return
    assert clean(cleaned.data).data == cleaned.data  # what is kept is plain, whatever it was made of


def test_pictures_come_small_but_never_smaller_than_asked() -> None:
    data = hostile.jpeg(1920, 1080)
    assert decode(data, 256).shape == (270, 480, 3)
    assert decode(data, 1000).shape == (1080, 1920, 3)
