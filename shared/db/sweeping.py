"""SQL of the sweeps: what was lost, what was never sent, what is too old to keep."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from shared.db.jobs import COLUMNS, Job


def expired(conn: Connection, limit: int) -> list[Job]:
    """Lock and return running jobs whose lease ran out, skipping those that another sweep holds."""
    sql: LiteralString = (
        "SELECT " + COLUMNS + " FROM jobs WHERE state = 'running' AND lease_until < now()"
        " ORDER BY lease_until LIMIT %s FOR UPDATE SKIP LOCKED"
    )
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(sql, [limit]).fetchall()


_TAKE_UNSENT: Final = """
WITH page AS (
    SELECT id FROM jobs
    WHERE state IN ('queued', 'waiting') AND run_at <= now()
      AND (sent_at IS NULL
           OR (queue = ANY(%(empty)s) AND sent_at < now() - %(resend_after)s)
           OR sent_at < now() - %(backstop)s)
    ORDER BY run_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET sent_at = now() FROM page WHERE jobs.id = page.id
RETURNING jobs.id, jobs.kind, jobs.queue
"""


def take_unsent(
    conn: Connection, *, empty_queues: Sequence[str], resend_after: timedelta, backstop: timedelta, limit: int
) -> list[tuple[str, str, str]]:
    """Mark as sent, and return as (id, kind, queue), due jobs whose wake-up was never sent or must be lost.

    It must be lost when the broker's queue is empty although it was sent a while ago; a long time after sending it is
    sent again in any case, since a duplicate does no harm.
    """
    params = {"empty": list(empty_queues), "resend_after": resend_after, "backstop": backstop, "limit": limit}
    return conn.execute(_TAKE_UNSENT, params).fetchall()


def mark_unsent(conn: Connection, job_ids: Sequence[str]) -> None:
    """Note that a wake-up did not reach the broker, so that the next sweep sends it."""
    conn.execute("UPDATE jobs SET sent_at = NULL WHERE id = ANY(%s)", [list(job_ids)])


_DELETE_OLD_EVENTS: Final = """
DELETE FROM job_events WHERE (job_id, seq) IN (
    SELECT job_id, seq FROM job_events JOIN jobs ON jobs.id = job_id
    WHERE type = 'progress' AND job_events.at < now() - %s AND finished_at < now() - %s LIMIT %s
)
"""


def delete_old_events(conn: Connection, age: timedelta, limit: int) -> int:
    """Delete progress events of jobs that ended ``age`` ago, at most ``limit``; changes of state are kept."""
    return conn.execute(_DELETE_OLD_EVENTS, [age, age, limit]).rowcount


def delete_old_idempotency_keys(conn: Connection, age: timedelta) -> int:
    """Forget idempotency keys older than ``age``."""
    return conn.execute("DELETE FROM idempotency_keys WHERE created_at < now() - %s", [age]).rowcount


def hashes_wanted(conn: Connection) -> list[str]:
    """Return every SHA-256 (64 hex digits) that the parameters of an unfinished job name."""
    rows = conn.execute(
        "SELECT DISTINCT found[1] FROM jobs, regexp_matches(params::text, '[0-9a-f]{64}', 'g') AS found"
        " WHERE state IN ('queued', 'running', 'waiting')"
    )
    return [row[0] for row in rows]
