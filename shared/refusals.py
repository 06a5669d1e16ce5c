"""A file whose lines are all good, or refused as a whole: goes through them, and keeps what is wrong with which.

For steps that take a file in, all of it or nothing. The first bad lines are named with their reasons, the others
counted; nothing of a line is ever quoted.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

from shared.contracts import Contract
from shared.errors import InvalidInputError
from shared.lines import Record, Unreadable

Row = TypeVar("Row")

LISTED: Final = 100
"""Bad lines that are named."""
UNREADABLE: Final = "unreadable"


class BadLine(Contract):
    """A line that cannot be taken, and why: ``reason`` is a word to count by, ``message`` is for people."""

    line: int
    reason: str
    message: str


class LineCheck(Generic[Row]):
    """Goes through the lines of a file, some at a time. ``lines`` and ``refused`` count them."""

    def __init__(self, read: Callable[[Mapping[str, Any], int], Row], *, write_all: bool = False) -> None:
        """Read a record's fields and line number by ``read``, whose InvalidInputError may have a ``reason``.

        ``write_all``: good lines are written after a bad one too, for something is found out about them there.
        """
        self._read = read
        self._write_all = write_all
        self._bad: list[BadLine] = []
        self._reasons: Counter[str] = Counter()
        self.lines = 0

    @property
    def refused(self) -> int:
        """How many lines are bad."""
        return self._reasons.total()

    def some(self, records: Iterable[Record], write: Callable[[Row], None]) -> None:
        """Check lines and write the good ones; after the first bad line none (but see ``write_all``)."""
        for record in records:
            self.lines += 1
            if isinstance(record.fields, Unreadable):
                self.refuse(record.line, UNREADABLE, record.fields.reason)
                continue
            try:
                row = self._read(record.fields, record.line)
            except InvalidInputError as error:
                self.refuse(record.line, str(error.details.get("reason", error.code)), error.message)
                continue
            if self._write_all or not self.refused:
                write(row)

    def refuse(self, line: int, reason: str, message: str, *, times: int = 1) -> None:
        """Note a bad line; ``times`` over 1: so many alike, of which this is the first."""
        self._reasons[reason] += times
        if len(self._bad) < LISTED:
            self._bad.append(BadLine(line=line, reason=reason, message=message))

    def refusal(self, what: str, done: str, *, code: str, advice: str, empty: str) -> InvalidInputError:
        """Return the error that says what is wrong with the file.

        ``what`` its lines are (rows), what nothing of was ``done`` (imported); ``empty`` is the advice for a file
        without any. The details list the first bad lines and count all by reason.
        """
        if not self._bad:
            return InvalidInputError(f"the file has no {what}", advice=empty)
        first = min(self._bad, key=lambda bad: bad.line)
        return InvalidInputError(
            f"{self.refused:,} of {self.lines:,} {what} are refused, so nothing was {done};"
            f" line {first.line}: {first.message}",
            code=code,
            advice=advice,
            lines=[bad.model_dump() for bad in self._bad],
            reasons=dict(self._reasons),
            refused=self.refused,
            rows=self.lines,
        )
