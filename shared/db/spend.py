"""SQL of the tables ``spend`` (each payment to a provider) and ``spend_months`` (their sums, kept by a trigger)."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of ``spend``. ``kind`` is ``reserved`` (an estimate) or ``booked``; ``at`` is timezone-aware."""

    reference: str
    kind: str
    provider: str
    model: str
    purpose: str
    job_id: str | None
    tokens_in: int
    tokens_out: int
    usd: float
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Month:
    """The sums of a calendar month (UTC), in US dollars; ``month`` is its first day."""

    month: date
    reserved: float
    booked: float
    entries: int

    @property
    def spent(self) -> float:
        """What is paid, and what is promised for fine-tunes that run."""
        return self.reserved + self.booked


_COLUMNS: Final[LiteralString] = (
    "reference, kind, provider, model, purpose, job_id, tokens_in, tokens_out, usd::float8 AS usd, at"
)
_THIS_MONTH: Final[LiteralString] = "date_trunc('month', now() AT TIME ZONE 'UTC')::date"


def lock_month(conn: Connection) -> None:
    """Hold the present month until the transaction ends: nobody else reserves or books in it meanwhile."""
    conn.execute(f"INSERT INTO spend_months (month) VALUES ({_THIS_MONTH}) ON CONFLICT DO NOTHING")
    conn.execute(f"SELECT FROM spend_months WHERE month = {_THIS_MONTH} FOR UPDATE")


def month_total(conn: Connection) -> Month:
    """Return the sums of the present month: all zero when nothing was spent."""
    with conn.cursor(row_factory=class_row(Month)) as cursor:
        found = cursor.execute(
            f"SELECT t.month, coalesce(m.reserved, 0)::float8 AS reserved, coalesce(m.booked, 0)::float8 AS booked,"
            f" coalesce(m.entries, 0) AS entries"
            f" FROM (SELECT {_THIS_MONTH} AS month) AS t LEFT JOIN spend_months AS m USING (month)"
        ).fetchone()
    if found is None:
        raise RuntimeError("a query without a condition found nothing")
    return found


def find(conn: Connection, reference: str) -> Entry | None:
    """Return what was reserved or booked under a reference."""
    with conn.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM spend WHERE reference = %s", [reference]).fetchone()


def insert(
    conn: Connection,
    reference: str,
    *,
    kind: LiteralString,
    provider: str,
    model: str,
    purpose: str,
    usd: float,
    job_id: str | None = None,
    tokens_in: int = 0,
    tokens_out: int = 0,
) -> bool:
    """Write an entry, once for a reference. Returns whether it was written."""
    written = conn.execute(
        "INSERT INTO spend (reference, kind, provider, model, purpose, job_id, tokens_in, tokens_out, usd)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (reference) DO NOTHING",
        [reference, kind, provider, model, purpose, job_id, tokens_in, tokens_out, usd],
    )
    return written.rowcount == 1


def settle(conn: Connection, reference: str, *, usd: float, tokens_in: int | None = None) -> bool:
    """Book what was reserved, with the true cost. Returns whether there was a reservation."""
    written = conn.execute(
        "UPDATE spend SET kind = 'booked', usd = %s, tokens_in = coalesce(%s, tokens_in)"
        " WHERE reference = %s AND kind = 'reserved'",
        [usd, tokens_in, reference],
    )
    return written.rowcount == 1


def release(conn: Connection, reference: str) -> bool:
    """Take back a reservation of which nothing came. Returns whether there was one."""
    return conn.execute("DELETE FROM spend WHERE reference = %s AND kind = 'reserved'", [reference]).rowcount == 1


def list_entries(
    conn: Connection, *, job_id: str | None = None, before: tuple[datetime, str] | None = None, limit: int = 50
) -> list[Entry]:
    """Return entries, newest first; ``before`` is time and reference of the last one on the page before."""
    at, reference = before or (None, None)
    with conn.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            f"SELECT {_COLUMNS} FROM spend WHERE (%(job)s::text IS NULL OR job_id = %(job)s)"
            " AND (%(at)s::timestamptz IS NULL OR (at, reference) < (%(at)s, %(reference)s))"
            " ORDER BY at DESC, reference DESC LIMIT %(limit)s",
            {"job": job_id, "at": at, "reference": reference, "limit": limit},
        ).fetchall()


def by_purpose(conn: Connection) -> list[tuple[str, str, str, float, int]]:
    """Return the present month by provider, model and purpose, dearest first: with US dollars and entries."""
    return conn.execute(
        "SELECT provider, model, purpose, sum(usd)::float8, count(*) FROM spend"
        f" WHERE at >= {_THIS_MONTH}::timestamp AT TIME ZONE 'UTC'"
        " GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT 100"
    ).fetchall()
