"""Advisory locks: one of a kind at a time, over all hosts; the server frees them when the holder dies."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from shared.db.pool import Database


@contextmanager
def single_flight(database: Database, name: str) -> Iterator[bool]:
    """Hold the lock of this name while the block runs; yields False when somebody else holds it."""
    key = zlib.crc32(name.encode())
    with database.transaction() as conn:
        row = conn.execute("SELECT pg_try_advisory_xact_lock(%s)", [key]).fetchone()
        yield row == (True,)
