"""SQL that counts jobs, for ``/metrics`` and ``tuneyard status``."""

from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from shared.db.jobs import COLUMNS, Job


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


@dataclass(frozen=True, kw_only=True)
class LateQueue:
    """A queue whose oldest due job waits for longer than it should. ``jobs`` is how many do, counted up to a cap.

    ``running`` says whether any job of the queue runs now: then its workers are behind, else none seems to be there.
    """

    queue: str
    jobs: int
    oldest_seconds: float
    running: bool


# Along the index of what is due, oldest first, so that it costs the same however many wait.
_LATE: Final = """
SELECT late.queue, count(*) AS jobs, extract(epoch FROM now() - min(late.run_at))::float8 AS oldest_seconds,
    EXISTS (SELECT FROM jobs r WHERE r.state = 'running' AND r.queue = late.queue AND r.lease_until > now()) AS running
FROM (SELECT queue, run_at FROM jobs WHERE state IN ('queued', 'waiting')
      AND run_at <= now() - make_interval(secs => %s) ORDER BY run_at LIMIT %s) AS late
GROUP BY late.queue ORDER BY min(late.run_at)
"""

# Flows wait for their children, others for something outside: with a time that is still to come.
_UNDER_WAY: Final[LiteralString] = (
    "(SELECT " + COLUMNS + " FROM jobs WHERE state = 'running' AND parent_id IS NULL"
    " ORDER BY lease_until LIMIT %(limit)s)"
    " UNION ALL (SELECT " + COLUMNS + " FROM jobs WHERE state = 'waiting' AND parent_id IS NULL AND run_at > now()"
    " ORDER BY run_at DESC LIMIT %(limit)s) ORDER BY id DESC LIMIT %(limit)s"
)


def late_queues(conn: Connection, *, seconds: float, cap: int = 1000) -> list[LateQueue]:
    """Return the queues with due jobs that have waited for longer than so many seconds, the worst first."""
    with conn.cursor(row_factory=class_row(LateQueue)) as cursor:
        return cursor.execute(_LATE, [seconds, cap]).fetchall()


def under_way(conn: Connection, limit: int) -> list[Job]:
    """Return jobs that run, and those that wait for their steps or for something outside, the newest first."""
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(_UNDER_WAY, {"limit": limit}).fetchall()


_UNFINISHED: Final[LiteralString] = " UNION ALL ".join(
    # each state is spelled out, so that its partial index is known to hold the answer
    f"SELECT '{state}', count(*) FROM (SELECT FROM jobs WHERE state = '{state}' LIMIT %(cap)s) AS capped"
    for state in ("queued", "running", "waiting")
)


def unfinished(conn: Connection, cap: int) -> dict[str, int]:
    """Count the jobs that have not ended, by state; each state up to a cap."""
    return dict(conn.execute(_UNFINISHED, {"cap": cap}).fetchall())


def failed_since(conn: Connection, first: str, cap: int) -> int:
    """Count the failed jobs from this id on, up to a cap."""
    row = conn.execute(
        "SELECT count(*) FROM (SELECT FROM jobs WHERE state = 'failed' AND id >= %s LIMIT %s) AS capped", [first, cap]
    ).fetchone()
    return int(row[0]) if row else 0


def actors(conn: Connection, limit: int) -> list[str]:
    """Return who has submitted jobs, in order of name: a step along the index for each, however many jobs they have."""
    found = conn.execute(
        "WITH RECURSIVE known AS ("
        " (SELECT actor FROM jobs ORDER BY actor LIMIT 1)"
        " UNION ALL SELECT (SELECT actor FROM jobs WHERE actor > known.actor ORDER BY actor LIMIT 1) FROM known"
        "  WHERE known.actor IS NOT NULL"
        ") SELECT actor FROM known WHERE actor IS NOT NULL LIMIT %s",
        [limit],
    ).fetchall()
    return [str(actor) for (actor,) in found]
