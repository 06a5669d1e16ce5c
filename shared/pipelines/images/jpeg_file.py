"""A JPEG file without anything but its picture: segments that say how to decode it stay, all others go.

The coded picture is copied as it is, so nothing is lost and nothing is computed. What camera and place were, comments,
previews, colour profiles, and whatever hides behind the picture's end are not copied. Markers: ITU-T T.81, table B.1.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_START: Final = b"\xff\xd8"
_MARK: Final = 0xFF
_END: Final = 0xD9
_SCAN: Final = 0xDA
_TABLES: Final = frozenset({0xC4, 0xDB, 0xDD})  # Huffman tables, quantization tables, restart interval
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended and progressive, all with Huffman coding
_DROPPED: Final = frozenset({*range(0xE0, 0xF0), 0xFE})  # of applications, and comments: no decoder needs them
_KEPT_APPS: Final = {0xE0: b"JFIF\0", 0xEE: b"Adobe"}  # but these two, which say how colours are meant
_BITS: Final = 8
_COLOURS: Final = frozenset({1, 3})

# in coded data, FF is followed by 00 or by a restart marker; several FF are one
_AFTER_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_HEAD: Final = 4  # bytes: FF, the marker, and the length of what follows (with the two of itself)


class _NotPlainError(Exception):
    """The file has what we do not copy."""


class _Segment(NamedTuple):
    marker: int
    body: bytes
    whole: memoryview
    """With the coded data behind it, if it begins a scan."""


def picture_only(data: bytes) -> bytes | None:
    """Return the file with its picture only; None when it must be decoded and encoded again.

    That is any file which is not plain: another process than Huffman coding, other than 8 bits, four colours, no
    end, or something between two segments that does not belong there.
    """
    try:
        segments = list(_segments(data))
    except _NotPlainError:
        return None
    if sum(segment.marker in _FRAMES for segment in segments) != 1:
        return None
    kept = [segment.whole for segment in segments if _belongs(segment)]
    return b"".join([_START, *kept, bytes((_MARK, _END))])


def _segments(data: bytes) -> Iterator[_Segment]:
    """Yield the segments up to the end of the picture. Raises _NotPlainError."""
    if not data.startswith(_START):
        raise _NotPlainError
    view, at = memoryview(data), len(_START)
    while True:
        while data[at : at + 2] == bytes((_MARK, _MARK)):  # fill bytes
            at += 1
        head = data[at : at + _HEAD]
        if head[:2] == bytes((_MARK, _END)):
            return
        end = at + 2 + int.from_bytes(head[2:], "big")
        if len(head) < _HEAD or head[0] != _MARK or end < at + _HEAD or end > len(data):
            raise _NotPlainError
        body = data[at + _HEAD : end]
        _check(head[1], body)
        if head[1] == _SCAN:
            end = _end_of_scan(data, end)
        yield _Segment(head[1], body, view[at:end])
        at = end


def _check(marker: int, body: bytes) -> None:
    if marker in _FRAMES:
        if body[:1] != bytes((_BITS,)) or body[5:6] not in {bytes((colours,)) for colours in _COLOURS}:
            raise _NotPlainError
    elif not (marker in _TABLES or marker in _DROPPED or marker == _SCAN):
        raise _NotPlainError


def _end_of_scan(data: bytes, at: int) -> int:
    found = _AFTER_SCAN.search(data, at)
    if not found:
        raise _NotPlainError
    return found.start()


def _belongs(segment: _Segment) -> bool:
    return segment.marker not in _DROPPED or segment.body.startswith(_KEPT_APPS.get(segment.marker, _NOTHING))


_NOTHING: Final = b"\xff" * 65_536  # longer than any segment, so none begins with it
