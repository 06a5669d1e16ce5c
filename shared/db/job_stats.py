"""SQL that counts jobs, for ``/metrics`` and ``tuneyard status``."""

from psycopg import Connection


def tally(conn: Connection) -> list[tuple[str, str, int]]:
    """Count jobs by kind and state."""
    return conn.execute("SELECT kind, state::text, count(*) FROM jobs GROUP BY 1, 2 ORDER BY 1, 2").fetchall()


def durations(conn: Connection) -> list[tuple[str, int, float]]:
    """Return for each kind how many jobs succeeded, and their seconds from first start to end, summed."""
    return conn.execute(
        "SELECT kind, count(*), coalesce(sum(extract(epoch FROM finished_at - started_at)), 0)::float8 FROM jobs"
        " WHERE state = 'succeeded' GROUP BY 1 ORDER BY 1"
    ).fetchall()


def backlog(conn: Connection) -> list[tuple[str, int, float]]:
    """Return for each queue how many due jobs wait, and the age of the oldest in seconds."""
    return conn.execute(
        "SELECT queue, count(*), extract(epoch FROM now() - min(run_at))::float8 FROM jobs"
        " WHERE state IN ('queued', 'waiting') AND run_at <= now() GROUP BY 1 ORDER BY 1"
    ).fetchall()
