"""SQL of a running attempt at a job: claim it, keep its lease, report, and end or rest.

Every statement is guarded by the attempt number: it changes nothing when another attempt has taken over, and the
caller learns so from the missing row. Only the database's clock is used.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from shared.contracts import JobState, JsonObject
from shared.db.jobs import NEVER, Job, change, logged

# What ends a running attempt, whatever the next state is
_AT_REST: Final[LiteralString] = "lease_until = NULL, worker = NULL"

_MINE: Final[LiteralString] = "id = %(id)s AND attempt = %(attempt)s AND state = 'running'"

_CLAIM = logged(
    "UPDATE jobs SET state = 'running', attempt = attempt + 1, worker = %(worker)s,"
    " lease_until = now() + %(lease)s, started_at = coalesce(started_at, now())"
    " WHERE id = %(id)s AND state IN ('queued', 'waiting') AND run_at <= now()"
)


def claim(conn: Connection, job_id: str, *, worker: str, lease: timedelta) -> Job | None:
    """Take a due job. None: it is taken, finished or not yet due, and the message can be dropped."""
    return change(conn, _CLAIM, event="running", data={"worker": worker}, id=job_id, worker=worker, lease=lease)


_CLAIM_TOGETHER: Final[LiteralString] = logged(
    "UPDATE jobs SET state = 'running', attempt = attempt + 1, worker = %(worker)s,"
    " lease_until = now() + %(lease)s, started_at = coalesce(started_at, now())"
    " WHERE id IN (SELECT id FROM first UNION ALL SELECT id FROM more)"
).replace(
    "WITH",
    "WITH first AS (SELECT id, kind FROM jobs WHERE id = %(id)s AND state IN ('queued', 'waiting') AND run_at <= now()"
    " FOR UPDATE SKIP LOCKED),"
    " more AS (SELECT id FROM jobs WHERE kind = (SELECT kind FROM first) AND state = 'queued' AND run_at <= now()"
    " AND failures = 0 AND id <> %(id)s ORDER BY run_at LIMIT %(more)s FOR UPDATE SKIP LOCKED),",
    1,
)


def claim_together(conn: Connection, job_id: str, *, worker: str, lease: timedelta, limit: int) -> list[Job]:
    """Take a due job, and up to ``limit`` of its kind in all. Empty: it is taken, finished or not yet due."""
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(
            _CLAIM_TOGETHER,
            {
                "event": "running", "text": "", "data": Jsonb({"worker": worker}), "id": job_id, "worker": worker,
                 "lease": lease, "more": limit - 1,
            },
        ).fetchall()  # fmt: skip


def renew(conn: Connection, job_id: str, attempt: int, lease: timedelta) -> bool | None:
    """Renew the lease. Returns whether a cancel was asked for, or None when the attempt has lost the job."""
    sql: LiteralString = (
        "UPDATE jobs SET lease_until = now() + %(lease)s WHERE " + _MINE + " RETURNING cancel_requested"
    )
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(sql, {"id": job_id, "attempt": attempt, "lease": lease}).fetchone()


def hold(conn: Connection, job_id: str, attempt: int) -> bool:
    """Lock the job's row until the transaction ends, if this attempt still has it; otherwise return False."""
    sql: LiteralString = "SELECT FROM jobs WHERE " + _MINE + " FOR UPDATE"
    return conn.execute(sql, {"id": job_id, "attempt": attempt}).rowcount == 1


_REPORT = logged(
    "UPDATE jobs SET progress = %(fraction)s, message = %(text)s, counters = %(counters)s,"
    " lease_until = now() + %(lease)s WHERE " + _MINE
)


def report(
    conn: Connection,
    job_id: str,
    attempt: int,
    *,
    fraction: float,
    message: str,
    counters: JsonObject,
    lease: timedelta,
) -> Job | None:
    """Record progress, and renew the lease with it. None: the attempt has lost the job."""
    return change(
        conn, _REPORT, event="progress", text=message, data={"fraction": fraction, **counters},
        id=job_id, attempt=attempt, fraction=fraction, counters=Jsonb(counters), lease=lease,
    )  # fmt: skip


_SUCCEED = logged(
    "UPDATE jobs SET state = 'succeeded', result = %(result)s, error = NULL, progress = 1, finished_at = now(), "
    + _AT_REST
    + " WHERE "
    + _MINE
)


def succeed(conn: Connection, job_id: str, attempt: int, result: JsonObject) -> Job | None:
    """Record success. None: the attempt has lost the job, and the transaction must be rolled back."""
    return change(conn, _SUCCEED, event="succeeded", id=job_id, attempt=attempt, result=Jsonb(result))


_SUCCEED_TOGETHER: Final = """
WITH input AS (
    SELECT * FROM unnest(%b::text[], %b::int[], %b::text[]) AS t (id, attempt, result)
), changed AS (
    UPDATE jobs SET state = 'succeeded', result = input.result::jsonb, error = NULL, progress = 1,
        finished_at = now(), lease_until = NULL, worker = NULL
    FROM input WHERE jobs.id = input.id AND jobs.attempt = input.attempt AND state = 'running'
    RETURNING jobs.id, jobs.attempt
), logged AS (
    INSERT INTO job_events (job_id, attempt, type) SELECT id, attempt, 'succeeded' FROM changed
)
SELECT id FROM changed
"""


def succeed_together(conn: Connection, results: Sequence[tuple[Job, str]]) -> set[str]:
    """Record the success of several attempts, each with its result's JSON; returns the ids of those that held."""
    columns = [job.id for job, _ in results], [job.attempt for job, _ in results], [result for _, result in results]
    with conn.cursor(row_factory=scalar_row) as cursor:
        return set(cursor.execute(_SUCCEED_TOGETHER, columns).fetchall())


_REST = logged(
    "UPDATE jobs SET state = %(state)s::job_state,"
    " run_at = CASE WHEN %(after)s::interval IS NULL THEN %(never)s::timestamptz"
    " ELSE now() + %(after)s END, sent_at = NULL, failures = failures + %(failed)s,"
    " error = coalesce(%(error)s, error), "
    + _AT_REST
    + " WHERE "
    + _MINE
)  # fmt: skip


def requeue(
    conn: Connection, job_id: str, attempt: int, *, event: str, text: str, after: timedelta, error: JsonObject | None
) -> Job | None:
    """Give the job back to its queue, due ``after`` now; with an error it counts as a failure."""
    return change(
        conn, _REST, event=event, text=text, data=error, id=job_id, attempt=attempt, state="queued", after=after,
        never=NEVER, failed=int(error is not None), error=None if error is None else Jsonb(error),
    )  # fmt: skip


def wait(conn: Connection, job_id: str, attempt: int, *, after: timedelta | None, reason: str) -> Job | None:
    """Let the job wait: for ``after``, or (None) until its flow's children are done."""
    return change(
        conn, _REST, event="waiting", text=reason, id=job_id, attempt=attempt, state="waiting", after=after,
        never=NEVER, failed=0, error=None,
    )  # fmt: skip


_END = logged(
    "UPDATE jobs SET state = %(state)s::job_state, failures = failures + %(failed)s,"
    " error = coalesce(%(error)s, error), finished_at = now(), " + _AT_REST + " WHERE " + _MINE
)


def end(
    conn: Connection, job_id: str, attempt: int, *, state: JobState, text: str, error: JsonObject | None = None
) -> Job | None:
    """End a running job as failed or cancelled."""
    return change(
        conn, _END, event=state.value, text=text, data=error, id=job_id, attempt=attempt, state=state.value,
        failed=int(state is JobState.FAILED), error=None if error is None else Jsonb(error),
    )  # fmt: skip
