"""CSV that people open in a spreadsheet: a cell that such a program would take for a formula is written as text.

Only what people or cameras named is quoted in this way, and only in files that nobody reads back by machine as it is:
``plain`` takes the quote off again.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_QUOTE: Final = "'"


def safe(cell: str) -> str:
    """Return a cell that no spreadsheet computes: an apostrophe before it, where it begins like a formula."""
    return _QUOTE + cell if cell.startswith((*_DANGEROUS, _QUOTE)) else cell


def plain(cell: str) -> str:
    """Return what ``safe`` was given."""
    return cell[1:] if cell.startswith(_QUOTE) else cell


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows with a header, in UTF-8, and return how many. Texts are made safe; None is an empty cell."""
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(row[column]) for column in columns])
            written += 1
    return written


def _cell(value: Any) -> Any:
    return safe(value) if isinstance(value, str) else value
