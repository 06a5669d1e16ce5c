"""SQL of what the doctor asks about fine-tunes, and of what a person decides."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import scalar_row

_DRIVERS: Final = """
SELECT p.id, j.state::text FROM provider_jobs AS p LEFT JOIN jobs AS j ON j.id = p.job_id WHERE p.finished_at IS NULL
"""


def drivers(conn: Connection) -> Mapping[str, str | None]:
    """Return the state of the job that drives each open run, by the run's id; None when the job is gone."""
    return dict(conn.execute(_DRIVERS).fetchall())


def now(conn: Connection) -> datetime:
    """Return the database's time."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        found: datetime | None = cursor.execute("SELECT now()").fetchone()
    if found is None:
        raise ValueError("a query without a table has one row")
    return found
