"""PostgreSQL's binary COPY format: what its server reads fastest.

``HEADER``, then rows, then ``TRAILER``. A field is in its type's binary form: text in UTF-8, a time as below.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)  # no flags, no extension
TRAILER: Final = b"\xff\xff"

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def row(fields: Sequence[bytes]) -> bytes:
    """Return one row of fields, none of them NULL."""
    parts = [len(fields).to_bytes(2, "big")]
    for field in fields:
        parts += (len(field).to_bytes(4, "big"), field)
    return b"".join(parts)


def timestamptz(at: datetime) -> bytes:
    """Return a time (timezone-aware) in binary form."""
    return ((at - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True)
