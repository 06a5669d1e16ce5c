"""Lines of a training file: read in constant memory, and parsed more strictly than any JSON library does by default.

A good line costs one parse and one dump by ``orjson``, which are together faster than one ``json.loads``; only a line
that looks wrong is looked at closely.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple

import orjson

BOM: Final = b"\xef\xbb\xbf"
_MISSES: Final = 8  # lines in a row whose end is new: the file is not of this kind


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


def lines_of(file: BinaryIO, longest: int, largest: int) -> Iterator[Line]:
    """Yield the lines of a file; of one that is longer than ``longest`` bytes, no more than that is ever in memory.

    A line that alone is over ``largest`` is not read to its end: a packed file may hold any number of blanks.
    """
    number = 0
    while piece := file.readline(longest):
        number += 1
        if len(piece) < longest or piece.endswith(b"\n"):
            yield Line(number, piece, len(piece))
            continue
        size = len(piece)
        while piece and not piece.endswith(b"\n") and size <= largest:
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
    # A key that stands twice is lost in the value, with a colon and a comma. A line that writes both as escapes in its
    # texts, exactly as often, could make up for them; nobody does so by accident.
    if (data.count(b":") != dumped.count(b":") or data.count(b",") != dumped.count(b",")) and _has_duplicates(data):
        raise BadLineError("duplicate-key")
    return value, dumped


class Parser:
    """Parses lines, most of which end in the same declaration of functions: that is read once.

    A line that ends as one before, from the comma before ``"tools"`` on, is the same object with other members before;
    if these are an object by themselves, the line is that object with the same functions. Typical files become shorter
    by two thirds.
    """

    def __init__(self) -> None:
        self._tail = self._dumped_tail = b""
        self._tools: Any = None
        self._misses = 0

    def parse(self, data: bytes) -> tuple[Any, int]:
        """Return a line's value, and a mark that equal values share. Raises BadLineError."""
        if self._tail and data.endswith(self._tail):
            try:
                value, dumped = parse(data[: -len(self._tail)] + b"}")
            except BadLineError:
                value = None
            if value and isinstance(value, dict) and "tools" not in value:
                value["tools"] = self._tools
                self._misses = 0
                return value, hash(dumped[:-1] + self._dumped_tail)
        value, dumped = parse(data)
        if self._misses < _MISSES and isinstance(value, dict) and value and next(reversed(value)) == "tools":
            self._learn(data, value)
        return value, hash(dumped)

    def _learn(self, data: bytes, value: dict[str, Any]) -> None:
        """Remember how this line ends, if it can be cut before its functions."""
        self._misses += 1
        start = data.find(b'"tools"')
        comma = data.rfind(b",", 0, start)
        if comma < 0 or data[comma + 1 : start].strip():
            return
        try:
            head = orjson.loads(data[:comma] + b"}")
        except orjson.JSONDecodeError:
            return
        if head == {name: inner for name, inner in value.items() if name != "tools"}:
            self._tail, self._tools = data[comma:], value["tools"]
            self._dumped_tail = b',"tools":' + orjson.dumps(self._tools) + b"}"


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
