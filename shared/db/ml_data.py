"""The router's ground truth: what people said about queries. Named SQL, one function for each question."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from psycopg import Connection, sql

from shared.db import binary_copy, staging

Source = Literal["feedback", "override", "import"]


@dataclass(frozen=True, kw_only=True)
class NewLabel:
    """One row of ``ml_data``. ``id`` and ``group_key`` derive from the content (see ``group_of``)."""

    id: str
    query: str
    group_key: str
    label: str
    source: Source
    query_id: str | None
    labelled_by: str
    labelled_at: datetime | None = None
    """When the person decided; None: now, by the database's clock."""


# A person who changes their mind about the same query replaces what they said: one query, one truth.
_PUT_LABEL = """
INSERT INTO ml_data (id, query, group_key, label, source, query_id, labelled_by, labelled_at)
VALUES (%(id)s, %(query)s, %(group_key)s, %(label)s, %(source)s, %(query_id)s, %(labelled_by)s,
        coalesce(%(labelled_at)s, now()))
ON CONFLICT (query_id) WHERE query_id IS NOT NULL DO UPDATE
SET id = excluded.id, label = excluded.label, source = excluded.source,
    labelled_by = excluded.labelled_by, labelled_at = excluded.labelled_at
"""

_STAGED_COLUMNS: Final = (
    'id text COLLATE "C", query text, group_key text, label text, labelled_by text, labelled_at timestamptz'
)
_COPY: Final = sql.SQL("COPY {} FROM STDIN (FORMAT binary)")
# The id is the content: a conflict is the same row, in the file twice or imported before. In the order of the ids the
# index grows page by page, and an export, which reads in that order, finds the rows side by side.
_MERGE: Final = sql.SQL("""
INSERT INTO ml_data (id, query, group_key, label, source, labelled_by, labelled_at)
SELECT id, query, group_key, label, 'import', labelled_by, labelled_at FROM {} ORDER BY id
ON CONFLICT (id) DO NOTHING
""")


def put_label(conn: Connection, label: NewLabel) -> None:
    """Store what a person said about one query; a later word about the same ``query_id`` replaces it."""
    conn.execute(_PUT_LABEL, label.__dict__)


def stage_import(conn: Connection, table: sql.Identifier) -> None:
    """Make an empty staging table for imported labels."""
    staging.create(conn, table, _STAGED_COLUMNS)


@contextmanager
def staged_rows(conn: Connection, table: sql.Identifier) -> Iterator[Callable[[bytes | bytearray], None]]:
    """Lend a function that sends rows to a staging table, any number at once, as ``binary_copy`` makes them.

    Columns: id, query, group_key, label, labelled_by (text), labelled_at (timestamptz).
    """
    with conn.cursor().copy(_COPY.format(table)) as copy:
        copy.write(binary_copy.HEADER)
        yield copy.write
        copy.write(binary_copy.TRAILER)


def merge_import(conn: Connection, table: sql.Identifier) -> int:
    """Add the staged labels, skipping those already there, and drop the staging table; return how many were new.

    Part of the caller's transaction: nothing is visible before its commit.
    """
    new = conn.execute(_MERGE.format(table)).rowcount
    staging.drop(conn, table)
    return new
