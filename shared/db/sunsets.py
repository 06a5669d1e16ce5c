"""SQL of the table ``provider_sunsets``: the days on which models end, as providers' lists of models say."""

from collections.abc import Mapping
from datetime import date

from psycopg import Connection
from psycopg.rows import scalar_row


def replace(conn: Connection, provider: str, ends: Mapping[str, date]) -> None:
    """Write down what a provider's list says now: a model that it no longer dates is forgotten."""
    conn.execute("DELETE FROM provider_sunsets WHERE provider = %s AND NOT model = ANY(%s)", [provider, list(ends)])
    conn.execute(
        "INSERT INTO provider_sunsets (provider, model, ends)"
        " SELECT %s, * FROM unnest(%s::text[], %s::date[])"
        " ON CONFLICT (provider, model) DO UPDATE SET ends = excluded.ends, seen_at = now()",
        [provider, list(ends), list(ends.values())],
    )


def announced(conn: Connection, provider: str) -> dict[str, date]:
    """Return the models of a provider that are known to end, and when."""
    return dict(conn.execute("SELECT model, ends FROM provider_sunsets WHERE provider = %s", [provider]).fetchall())


def today(conn: Connection) -> date:
    """Return the database's date in UTC: all processes agree on it."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        found: date | None = cursor.execute("SELECT (now() AT TIME ZONE 'UTC')::date").fetchone()
    if found is None:
        raise ValueError("a query without a table has one row")
    return found
