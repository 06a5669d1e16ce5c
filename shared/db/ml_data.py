"""The router's ground truth: what people said about queries. Named SQL, one function for each question."""

import shutil
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final, Literal

from psycopg import Connection

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

_STAGE = """
CREATE TEMP TABLE incoming_labels (
    id text COLLATE "C", query text, group_key text, label text, labelled_by text, labelled_at timestamptz
) ON COMMIT DROP
"""
_COPY = "COPY incoming_labels FROM STDIN (FORMAT binary)"
# The id is the content: a conflict is the same row, in the file twice or imported before.
_MERGE = """
INSERT INTO ml_data (id, query, group_key, label, source, labelled_by, labelled_at)
SELECT id, query, group_key, label, 'import', labelled_by, labelled_at FROM incoming_labels
ON CONFLICT (id) DO NOTHING
"""
_CHUNK_BYTES: Final = 1 << 20


def put_label(conn: Connection, label: NewLabel) -> None:
    """Store what a person said about one query; a later word about the same ``query_id`` replaces it."""
    conn.execute(_PUT_LABEL, label.__dict__)


def merge_import(conn: Connection, rows: BinaryIO) -> int:
    """Add rows in PostgreSQL's binary COPY format, skipping those already there; return how many were new.

    Columns: id, query, group_key, label, labelled_by (text), labelled_at (timestamptz). Part of the caller's
    transaction: nothing is visible before its commit. Memory does not grow with the rows.
    """
    conn.execute(_STAGE)
    with conn.cursor().copy(_COPY) as copy:
        shutil.copyfileobj(rows, copy, _CHUNK_BYTES)
    return conn.execute(_MERGE).rowcount
