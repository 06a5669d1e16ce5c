"""SQL that takes in a file's rows: into a staging table of the attempt's own first, then into ``stage_rows``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection, sql

from shared.db import staging
from shared.db.staging import table_of


@dataclass(frozen=True, kw_only=True)
class StagedRow:
    """A row of a file; ``input`` and ``output`` are JSON text. With a ``note`` it is approved, ``at`` or now."""

    id: str
    stage: str
    industry: str | None
    group_key: str
    input: str
    output: str
    note: str | None
    at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Merged:
    """Rows that were not there yet, and those that are approved now and were not before."""

    new: int
    approved: int


_COLUMNS: Final = (
    'id text COLLATE "C", stage text, industry text, group_key text, input jsonb, output jsonb, note text,'
    " at timestamptz"
)
_COPY: Final = sql.SQL("COPY {} FROM STDIN")
# In the order of the ids the index grows page by page. The same content twice in a file is one row.
_ADD: Final = sql.SQL("""
WITH added AS (
    INSERT INTO stage_rows (id, stage, industry, group_key, input, output, source)
    SELECT DISTINCT ON (id) id, stage, industry, group_key, input, output, 'import'
    FROM {} ORDER BY id, industry NULLS LAST
    ON CONFLICT (id) DO UPDATE SET industry = excluded.industry
    WHERE stage_rows.industry IS NULL AND excluded.industry IS NOT NULL
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) FROM added
""")
# What a person has rejected here stays rejected, whatever the file claims. (least() leaves NULL out.)
_APPROVE: Final = sql.SQL("""
UPDATE stage_rows r SET approved = true, note = s.note, decided_by = {by}, decided_at = least(s.at, now())
FROM (SELECT DISTINCT ON (id) id, note, at FROM {table} WHERE note IS NOT NULL ORDER BY id, at NULLS LAST) AS s
WHERE r.id = s.id AND r.approved IS NULL
""")


def stage_import(conn: Connection, job_id: str, attempt: int) -> None:
    """Make an empty staging table for the rows of a file."""
    staging.create(conn, table_of(job_id, attempt), _COLUMNS)


@contextmanager
def staged_rows(conn: Connection, job_id: str, attempt: int) -> Iterator[Callable[[StagedRow], None]]:
    """Lend a function that sends rows to the staging table."""
    with conn.cursor().copy(_COPY.format(table_of(job_id, attempt))) as copy:

        def write(row: StagedRow) -> None:
            copy.write_row((row.id, row.stage, row.industry, row.group_key, row.input, row.output, row.note, row.at))

        yield write


def drop_import(conn: Connection, job_id: str, attempt: int) -> None:
    """Drop the staging table of a file that is refused."""
    staging.drop(conn, table_of(job_id, attempt))


def merge_import(conn: Connection, job_id: str, attempt: int, by: str) -> Merged:
    """Add the staged rows, approve those that come with a note, and drop the staging table.

    Part of the caller's transaction: nothing is visible before its commit.
    """
    table = table_of(job_id, attempt)
    (new,) = conn.execute(_ADD.format(table)).fetchall()[0]
    approved = conn.execute(_APPROVE.format(table=table, by=sql.Literal(by))).rowcount
    staging.drop(conn, table)
    return Merged(new=new, approved=approved)
