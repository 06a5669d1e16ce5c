"""Files of records, CSV or JSON lines, read one by one in constant memory, with the number of the line of each.

What cannot be read is yielded as ``Unreadable`` in its place: the reader goes on, so that one look at a file finds all
that is wrong with it.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final, Literal, NamedTuple

import orjson

Format = Literal["csv", "jsonl"]

MAX_LINE_BYTES: Final = 1 << 20
_BOM: Final = b"\xef\xbb\xbf"


class Unreadable(NamedTuple):
    """Why a line is no record. Never quotes the line, which may hold personal data."""

    reason: str


class Record(NamedTuple):
    """One record: the line it begins on (from 1), and its fields by name."""

    line: int
    fields: Mapping[str, Any] | Unreadable


def read_records(file: BinaryIO, file_format: Format, required: Sequence[str]) -> Iterator[Record]:
    """Yield the records of a file in UTF-8, without its blank lines.

    CSV needs a header that has the ``required`` columns: without them nothing else of the file is read.
    """
    return _csv(file, required) if file_format == "csv" else _json_lines(file)


def _json_lines(file: BinaryIO) -> Iterator[Record]:
    for number, line in _lines(file):
        if isinstance(line, Unreadable):
            yield Record(number, line)
        elif not line.isspace():
            yield Record(number, _json_object(line))


def _json_object(line: bytes) -> Mapping[str, Any] | Unreadable:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return Unreadable("not JSON in UTF-8")
    return value if isinstance(value, dict) else Unreadable("not a JSON object")


def _csv(file: BinaryIO, required: Sequence[str]) -> Iterator[Record]:
    faults: dict[int, Unreadable] = {}
    rows = _csv_rows(file, faults)
    names = [name.strip().lower() for name in next((row for _, row in rows if isinstance(row, list)), [])]
    missing = [name for name in required if names.count(name) != 1]
    if missing:
        yield Record(1, Unreadable(f"the header must have these columns once each: {', '.join(missing)}"))
        return
    for number, row in rows:
        if number in faults:
            yield Record(number, faults.pop(number))
        elif isinstance(row, Unreadable):
            yield Record(number, row)
        elif len(row) != len(names):
            yield Record(number, Unreadable(f"{len(row)} fields, where the header has {len(names)}"))
        else:
            yield Record(number, dict(zip(names, row, strict=True)))


def _csv_rows(file: BinaryIO, faults: dict[int, Unreadable]) -> Iterator[tuple[int, list[str] | Unreadable]]:
    reader = csv.reader(_decoded(file, faults), strict=True)
    while True:
        first = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield first, Unreadable("not CSV: a quote is not closed, or something follows it")
            continue
        # a fault on any line of the record is the record's
        for line in range(first + 1, reader.line_num + 1):
            if line in faults:
                faults[first] = faults.pop(line)
        if row:
            yield first, row


def _decoded(file: BinaryIO, faults: dict[int, Unreadable]) -> Iterator[str]:
    """Yield lines of text. What cannot be decoded is noted in ``faults``, and stays a line, so that numbers go on."""
    for number, line in _lines(file):
        if isinstance(line, Unreadable):
            faults[number] = line
            yield "?\n"
            continue
        try:
            yield line.decode()
        except UnicodeDecodeError:
            faults[number] = Unreadable("not UTF-8")
            yield line.decode(errors="replace")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | Unreadable]]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) > MAX_LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE_BYTES)
            yield number, Unreadable(f"longer than {MAX_LINE_BYTES:,} bytes")
        else:
            yield number, line
