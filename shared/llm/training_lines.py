"""Lines of a training file: read in constant memory, and parsed more strictly than any JSON library does by default.

A good line costs one parse and one dump by ``orjson``, which are together faster than one ``json.loads``; only a line
that looks wrong is looked at closely.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple

import orjson

BOM: Final = b"\xef\xbb\xbf"
_QUOTE: Final = b'"'
_ESCAPED: Final = b'\\"'
_NUL: Final = b"\\u0000"


class Line(NamedTuple):
    """A line with its end; ``data`` is None when it is longer than allowed. ``size`` is in bytes."""

    number: int
    data: bytes | None
    size: int


class BadLineError(Exception):
    """A line that is no example at all; ``code`` is one of ``training_faults``, ``detail`` says where."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def lines_of(file: BinaryIO, longest: int) -> Iterator[Line]:
    """Yield the lines of a file; of one that is longer than ``longest`` bytes, no more than that is ever in memory."""
    number = 0
    while piece := file.readline(longest):
        number += 1
        if len(piece) < longest or piece.endswith(b"\n"):
            yield Line(number, piece, len(piece))
            continue
        size = len(piece)
        while piece and not piece.endswith(b"\n"):
            piece = file.readline(longest)
            size += len(piece)
        yield Line(number, None, size)


def parse(data: bytes) -> tuple[Any, bytes]:
    """Return a line's value, and the value as JSON without spaces. Raises BadLineError."""
    try:
        value = orjson.loads(data)
        dumped = orjson.dumps(value)
    except orjson.JSONDecodeError:
        raise _why(data) from None
    except orjson.JSONEncodeError:  # it writes fewer levels than it reads
        raise BadLineError("too-deep") from None
    # A key that stands twice is lost in the value, with its quotes. A quote written as \u0022 is no quote in either,
    # and a backslash written as \u005c before one can only make the line look wrong, which is then looked at.
    if _quotes(data) != _quotes(dumped) and _has_duplicates(data):
        raise BadLineError("duplicate-key")
    if _NUL in dumped and _has_nul(value):
        raise BadLineError("nul")
    return value, dumped


def _quotes(data: bytes) -> int:
    return data.count(_QUOTE) - data.count(_ESCAPED)


def _why(data: bytes) -> BadLineError:
    """Find out why a line is no JSON."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return BadLineError("bad-utf8", f"byte {error.start + 1}")
    try:
        json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates)
    except BadLineError as error:
        return error
    except json.JSONDecodeError as error:
        return BadLineError("not-json", f"column {error.pos + 1}")
    except RecursionError:
        return BadLineError("too-deep")
    except ValueError:  # a number of thousands of digits
        return BadLineError("not-json", "a number is too long")
    return BadLineError("lone-surrogate")  # the one thing that only the stricter parser refuses


def _has_duplicates(data: bytes) -> bool:
    try:
        json.loads(data, object_pairs_hook=_refuse_duplicates)
    except BadLineError:
        return True
    except RecursionError:
        raise BadLineError("too-deep") from None
    return False


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadLineError("duplicate-key")
    return found


def _refuse_constant(_: str) -> None:
    raise BadLineError("nan")


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _has_nul(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))
