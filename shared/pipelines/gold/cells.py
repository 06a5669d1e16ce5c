"""Cells of a Jobber report as values. Every parser raises ValueError with a reason that quotes nothing of the cell.

Forms as reports print them (docs/gold-data.md): three forms of dates, sums of money with and without
signs, and lists of numbers in one cell.
"""

import re
from datetime import date
from decimal import Decimal
from typing import Final

EMPTY: Final = frozenset({"", "-", "–", "—"})  # noqa: RUF001  (dashes, as exports write them)
FIRST_YEAR: Final = 1990
LAST_YEAR: Final = 2100

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_ISO: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T]\d{1,2}:\d{2}.*)?", re.ASCII)
_SLASHED: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: \d{1,2}:\d{2}.*)?", re.ASCII)
_NAMED: Final = re.compile(r"([A-Za-z]{3,9})\.? (\d{1,2}), ?(\d{4})", re.ASCII)
_MONEY: Final = re.compile(
    r"(?P<open>\()?\s*(?P<minus>-)?\s*(?:[A-Z]{0,3}[$€£]|[A-Z]{3})?\s*(?P<late_minus>-)?\s*"  # $ 9, -$9, $-9, CA$9
    r"(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?:\.(?P<part>\d+))?\s*(?P<close>\))?",
    re.ASCII,
)
_BETWEEN: Final = re.compile(r";|\n|,(?=\s)|,(?!\d{3}(?!\d))")
_GROUPED: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.0+)?|\d+\.0+", re.ASCII)
_MOST_DIGITS: Final = 12


def day(cell: str) -> date | None:
    """Read ``Nov 20, 2025``, ``2025-06-02`` or ``03/20/2024`` (month first); a time of day is left out."""
    text = " ".join(cell.split())
    if text in EMPTY:
        return None
    if found := _ISO.fullmatch(text):
        year, month, number = (int(part) for part in found.groups())
    elif found := _SLASHED.fullmatch(text):
        month, number, year = (int(part) for part in found.groups())
    elif (found := _NAMED.fullmatch(text)) and found[1][:3].lower() in _MONTHS:
        month, number, year = _MONTHS[found[1][:3].lower()], int(found[2]), int(found[3])
    else:
        raise ValueError("no date as 2025-06-02, 06/20/2025 (month first) or Jun 2, 2025")
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f"a date outside the years {FIRST_YEAR} to {LAST_YEAR}")
    try:
        return date(year, month, number)
    except ValueError:
        raise ValueError("a date that no calendar has (is the month first?)") from None


def cents(cell: str) -> int | None:
    """Read a sum of money as cents: ``9400``, ``4,850.00``, ``$9,400.00``, ``-$15,224.75`` or ``(12.00)``."""
    text = cell.strip()
    if text in EMPTY:
        return None
    found = _MONEY.fullmatch(text)
    if found is None or (found["open"] is None) != (found["close"] is None) or (found["minus"] and found["late_minus"]):
        raise ValueError("no sum of money as 9400, 4,850.00, $9,400.00 or (12.00)")
    whole = found["whole"].replace(",", "")
    if len(whole) > _MOST_DIGITS:
        raise ValueError("a sum of money that is too large")
    amount = Decimal(f"{whole}.{found['part'] or '0'}") * 100
    negative = (found["open"], found["minus"], found["late_minus"]) != (None, None, None)
    return int(amount.to_integral_value()) * (-1 if negative else 1)


def numbers(cell: str) -> tuple[str, ...]:
    """Read a cell of numbers, ``101, 102``: each without ``#`` and separators, so that they can be compared."""
    return tuple(number for part in _BETWEEN.split(cell) if (number := _plain_number(part)) not in EMPTY)


def number(cell: str) -> str | None:
    """Read the number of a quote, an invoice or a job; of several, the first names the row."""
    found = numbers(cell)
    return found[0] if found else None


def _plain_number(text: str) -> str:
    plain = text.strip().lstrip("#").strip()
    if _GROUPED.fullmatch(plain):
        plain = plain.replace(",", "").partition(".")[0]
    return plain.casefold()
