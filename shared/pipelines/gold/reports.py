"""Jobber's CSV reports, read row by row: title lines above the header, totals below, and all that accounts add.

Only the columns of the layout are looked at (``layouts.py``); names, addresses and remarks go no further than the row
of the CSV reader. A fault names the file, the line and the column, never what stands in the cell.
"""

import csv
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final, NamedTuple, TypeVar

from shared.errors import InvalidInputError
from shared.pipelines.gold.layouts import Column, Layout, plain_heading, told_apart

R = TypeVar("R")

MAX_LINE_BYTES: Final = 1 << 20
MAX_ROWS: Final = 2_000_000
_BOM: Final = b"\xef\xbb\xbf"
_HEADER_WITHIN: Final = 50  # rows: titles and totals above it take a few
_LISTED: Final = 100  # faults that are named
_TOTALS: Final = ("totals", "total:", "report totals")


class Fault(NamedTuple):
    """What is wrong with a file, and where: the line (from 1), and the column's usual heading if it is one cell."""

    line: int
    column: str | None
    reason: str


class _Broken(Exception):  # noqa: N818  (never leaves this module)
    """The file cannot be read further."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.fault = Fault(line, None, reason)


def read_report(file: BinaryIO, layout: Layout[R]) -> Iterator[R]:
    """Yield the records of a report, each number once (the first row that has it).

    Raises InvalidInputError with the code ``report-refused`` after the last row when any row was bad: its details have
    ``report``, the first 100 ``faults`` (``line``, ``column``, ``reason``) and how many there are.
    """
    faults: list[Fault] = []
    count = 0
    try:
        for row in _Rows(file, layout).records():
            if isinstance(row, Fault):
                count += 1
                faults += [row] if len(faults) < _LISTED else []
            elif not faults:
                yield row
    except _Broken as broken:
        count += 1
        faults.append(broken.fault)
    if faults:
        raise _refusal(layout.name, faults, count)


def _refusal(report: str, faults: Sequence[Fault], count: int) -> InvalidInputError:
    first = faults[0]
    column = f", column {first.column}" if first.column else ""
    return InvalidInputError(
        f"the {report} report has {count:,} fault{'s' * (count != 1)}; the first in line {first.line}{column}:"
        f" {first.reason}",
        code="report-refused",
        advice=f"export the {report} report as CSV again, with all its columns, and change nothing in it",
        report=report,
        faults=[fault._asdict() for fault in faults],
        count=count,
    )


class _Rows:
    """The rows of one file below its header."""

    def __init__(self, file: BinaryIO, layout: Layout[Any]) -> None:
        self._layout = layout
        self._reader = csv.reader(_text_lines(file), strict=True)
        self._seen: set[str] = set()
        self._line = 1

    def records(self) -> Iterator[Any | Fault]:
        """Yield records, and a fault for each cell that cannot be read. Raises _Broken."""
        places, width = self._header()
        rows = 0
        while (row := self._next()) is not None:
            rows += 1
            if rows > MAX_ROWS:
                raise _Broken(self._line, f"more than {MAX_ROWS:,} rows")
            if _is_blank(row) or _is_totals(row):
                continue
            if len(row) != width and any(cell.strip() for cell in row[width:]):
                yield Fault(self._line, None, f"{len(row)} cells, where the header has {width}")
                continue
            if len(row) < width:
                yield Fault(self._line, None, f"{len(row)} cells, where the header has {width}")
                continue
            yield from self._record(row, places)

    def _record(self, row: Sequence[str], places: Sequence[int | None]) -> Iterator[Any | Fault]:
        values, good = [], True
        for column, place in zip(self._layout.columns, places, strict=True):
            try:
                values.append(column.parse("" if place is None else row[place]))
            except ValueError as error:
                good = False
                yield Fault(self._line, column.headings[0], str(error))
        if good and self._is_new(record := self._layout.record(*values)):
            yield record

    def _is_new(self, record: Any) -> bool:
        if not self._layout.is_event(record) or record.number in self._seen:
            return False
        if record.number is not None:
            self._seen.add(record.number)
        return True

    def _header(self) -> tuple[list[int | None], int]:
        """Find the header; return where each of the layout's columns stands, and how many cells a row has."""
        key = self._layout.columns[0].headings[0]
        other = None
        for _ in range(_HEADER_WITHIN):
            row = self._next()
            if row is None:
                break
            headings = [plain_heading(cell) for cell in row]
            name = told_apart(headings)
            if name == self._layout.name or (name is None and plain_heading(key) in headings):
                return [_place(column, row, headings, self._line) for column in self._layout.columns], len(row)
            other = other or name
        raise _Broken(1, f"this is a {other} report" if other else f"no header in the first rows: none has {key}")

    def _next(self) -> list[str] | None:
        self._line = self._reader.line_num + 1
        try:
            return next(self._reader, None)
        except csv.Error:
            raise _Broken(self._line, "no CSV: a quote is not closed, or something follows it") from None


def _place(column: Column, row: Sequence[str], headings: Sequence[str], line: int) -> int | None:
    """Return where a column stands. The usual spelling goes before others, and that before other letter cases."""
    for heading in column.headings:
        plain = plain_heading(heading)
        places = [place for place, found in enumerate(headings) if found == plain]
        exact = [place for place in places if " ".join(row[place].split()) == heading]
        if len(exact) > 1:
            raise _Broken(line, f"the column {heading} stands there twice")
        if places:
            return exact[0] if exact else places[0]
    if column.required:
        raise _Broken(line, f"the column {column.headings[0]} is missing")
    return None


def _is_blank(row: Sequence[str]) -> bool:
    return not any(cell.strip() for cell in row)


def _is_totals(row: Sequence[str]) -> bool:
    first = next((cell for cell in row if cell.strip()), "").strip().casefold()
    return first == "total" or first.startswith(_TOTALS)


def _text_lines(file: BinaryIO) -> Iterator[str]:
    """Yield lines of text, in constant memory. Raises _Broken."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) > MAX_LINE_BYTES:
            raise _Broken(number, f"longer than {MAX_LINE_BYTES:,} bytes")
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise _Broken(number, "not UTF-8") from None
        if "\x00" in text:
            raise _Broken(number, "a NUL character: this is no text file")
        yield text
