"""SQL of the table ``jobs``. Every change of a job writes its event in the same statement.

A statement that a running attempt makes is guarded by its attempt number: it changes nothing when another attempt has
taken over, and the caller learns so from the missing row. Only the database's clock is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from shared.contracts import FINAL_STATES, JobState, JsonObject

NEVER: Final = "9999-01-01 00:00+00"  # while children run; 'infinity' has no Python datetime

_COLUMNS: Final[LiteralString] = """
    id, kind, queue, params, actor, state, attempt, failures, max_attempts, run_at, lease_until, worker,
    cancel_requested, sent_at, unique_key, parent_id, position, progress, message, counters, result, error,
    created_at, started_at, finished_at
"""

# What ends a running attempt, whatever the next state is
_AT_REST: Final[LiteralString] = "lease_until = NULL, worker = NULL"

_MINE: Final[LiteralString] = "id = %(id)s AND attempt = %(attempt)s AND state = 'running'"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One row of ``jobs``. Times are timezone-aware; ``progress`` is 0 to 1."""

    id: str
    kind: str
    queue: str
    params: JsonObject
    actor: str
    state: JobState
    attempt: int
    failures: int
    max_attempts: int
    run_at: datetime
    lease_until: datetime | None
    worker: str | None
    cancel_requested: bool
    sent_at: datetime | None
    unique_key: str | None
    parent_id: str | None
    position: int | None
    progress: float
    message: str
    counters: JsonObject
    result: JsonObject | None
    error: JsonObject | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", JobState(self.state))

    @property
    def pipeline(self) -> str:
        """The pipeline that the job's step belongs to."""
        return self.kind.partition(".")[0]

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen, unless somebody retries it."""
        return self.state in FINAL_STATES


def _logged(update: LiteralString) -> LiteralString:
    """Wrap an UPDATE of jobs so that it writes the event and returns the rows."""
    return (
        "WITH changed AS (" + update + " RETURNING " + _COLUMNS + "), logged AS ("
        "  INSERT INTO job_events (job_id, attempt, type, message, data)"
        "  SELECT id, attempt, %(event)s, %(text)s, %(data)s FROM changed"
        ") SELECT " + _COLUMNS + " FROM changed"
    )


def _change(
    conn: Connection, sql: LiteralString, *, event: str, text: str = "", data: JsonObject | None = None, **params: Any
) -> Job | None:
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        cursor.execute(sql, {"event": event, "text": text, "data": Jsonb(data or {}), **params})
        return cursor.fetchone()


# --- reading --------------------------------------------------------------------------------------------------------


def get(conn: Connection, job_id: str, *, lock: bool = False) -> Job | None:
    """Return the job, locked against other writers if asked."""
    sql: LiteralString = "SELECT " + _COLUMNS + " FROM jobs WHERE id = %s"
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(sql + (" FOR UPDATE" if lock else ""), [job_id]).fetchone()


def children(conn: Connection, parent_id: str) -> list[Job]:
    """Return a flow's steps so far, in order."""
    sql: LiteralString = "SELECT " + _COLUMNS + " FROM jobs WHERE parent_id = %s ORDER BY position"
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(sql, [parent_id]).fetchall()


_LIST: Final[LiteralString] = (
    "SELECT " + _COLUMNS + " FROM jobs"
    " WHERE (%(kind)s::text IS NULL OR kind = %(kind)s)"
    " AND (%(pipeline)s::text IS NULL OR kind LIKE %(pipeline)s || '.%%')"
    " AND (%(state)s::job_state IS NULL OR state = %(state)s)"
    " AND (%(queue)s::text IS NULL OR queue = %(queue)s)"
    " AND (%(parent)s::text IS NULL OR parent_id = %(parent)s)"
    " AND (%(before)s::text IS NULL OR id < %(before)s)"
    " ORDER BY id DESC LIMIT %(limit)s"
)


def list_jobs(
    conn: Connection,
    *,
    kind: str | None = None,
    pipeline: str | None = None,
    state: str | None = None,
    queue: str | None = None,
    parent: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Job]:
    """Return jobs, newest first, that fit all filters given; ``before`` is the last id of the page before."""
    filters = {
        "kind": kind, "pipeline": pipeline, "state": state, "queue": queue, "parent": parent,
        "before": before, "limit": limit,
    }  # fmt: skip
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(_LIST, filters).fetchall()


def active_with_unique_key(conn: Connection, unique_key: str) -> str | None:
    """Return the job that holds a unique key now."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(
            "SELECT id FROM jobs WHERE unique_key = %s AND state IN ('queued', 'running', 'waiting')", [unique_key]
        ).fetchone()


# --- a running attempt ----------------------------------------------------------------------------------------------

_CLAIM = _logged(
    "UPDATE jobs SET state = 'running', attempt = attempt + 1, worker = %(worker)s,"
    " lease_until = now() + %(lease)s, started_at = coalesce(started_at, now())"
    " WHERE id = %(id)s AND state IN ('queued', 'waiting') AND run_at <= now()"
)


def claim(conn: Connection, job_id: str, *, worker: str, lease: timedelta) -> Job | None:
    """Take a due job. None: it is taken, finished or not yet due, and the message can be dropped."""
    return _change(conn, _CLAIM, event="running", data={"worker": worker}, id=job_id, worker=worker, lease=lease)


def renew(conn: Connection, job_id: str, attempt: int, lease: timedelta) -> bool | None:
    """Renew the lease. Returns whether a cancel was asked for, or None when the attempt has lost the job."""
    sql: LiteralString = (
        "UPDATE jobs SET lease_until = now() + %(lease)s WHERE " + _MINE + " RETURNING cancel_requested"
    )
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(sql, {"id": job_id, "attempt": attempt, "lease": lease}).fetchone()


_REPORT = _logged(
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
    return _change(
        conn, _REPORT, event="progress", text=message, data={"fraction": fraction, **counters},
        id=job_id, attempt=attempt, fraction=fraction, counters=Jsonb(counters), lease=lease,
    )  # fmt: skip


_SUCCEED = _logged(
    "UPDATE jobs SET state = 'succeeded', result = %(result)s, error = NULL, progress = 1, finished_at = now(), "
    + _AT_REST
    + " WHERE "
    + _MINE
)


def succeed(conn: Connection, job_id: str, attempt: int, result: JsonObject) -> Job | None:
    """Record success. None: the attempt has lost the job, and the transaction must be rolled back."""
    return _change(conn, _SUCCEED, event="succeeded", id=job_id, attempt=attempt, result=Jsonb(result))


_REST = _logged(
    "UPDATE jobs SET state = %(state)s, run_at = CASE WHEN %(after)s::interval IS NULL THEN %(never)s::timestamptz"
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
    return _change(
        conn, _REST, event=event, text=text, data=error, id=job_id, attempt=attempt, state="queued", after=after,
        never=NEVER, failed=int(error is not None), error=None if error is None else Jsonb(error),
    )  # fmt: skip


def wait(conn: Connection, job_id: str, attempt: int, *, after: timedelta | None, reason: str) -> Job | None:
    """Let the job wait: for ``after``, or (None) until its flow's children are done."""
    return _change(
        conn, _REST, event="waiting", text=reason, id=job_id, attempt=attempt, state="waiting", after=after,
        never=NEVER, failed=0, error=None,
    )  # fmt: skip


_END = _logged(
    "UPDATE jobs SET state = %(state)s, failures = failures + %(failed)s, error = coalesce(%(error)s, error),"
    " finished_at = now(), " + _AT_REST + " WHERE " + _MINE
)


def end(
    conn: Connection, job_id: str, attempt: int, *, state: JobState, text: str, error: JsonObject | None = None
) -> Job | None:
    """End a running job as failed or cancelled."""
    return _change(
        conn, _END, event=state.value, text=text, data=error, id=job_id, attempt=attempt, state=state.value,
        failed=int(state is JobState.FAILED), error=None if error is None else Jsonb(error),
    )  # fmt: skip


# --- from outside ---------------------------------------------------------------------------------------------------

_CANCEL_AT_REST = _logged(
    "UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE id = %(id)s AND state IN ('queued', 'waiting')"
)
_CANCEL_RUNNING = _logged(
    "UPDATE jobs SET cancel_requested = true WHERE id = %(id)s AND state = 'running' AND NOT cancel_requested"
)


def cancel(conn: Connection, job_id: str, text: str) -> Job | None:
    """Cancel a job at rest, or ask a running one to stop. None: it is final, or was asked already."""
    return _change(conn, _CANCEL_AT_REST, event="cancelled", text=text, id=job_id) or _change(
        conn, _CANCEL_RUNNING, event="cancel-requested", text=text, id=job_id
    )


_SUPERSEDE = _logged(
    "UPDATE jobs SET state = %(state)s, result = %(result)s, error = %(error)s, finished_at = now(),"
    " progress = CASE WHEN %(state)s = 'succeeded' THEN 1 ELSE progress END"
    " WHERE id = %(id)s AND state = 'waiting'"
)


def end_flow(
    conn: Connection,
    job_id: str,
    *,
    state: JobState,
    text: str = "",
    result: JsonObject | None = None,
    error: JsonObject | None = None,
) -> Job | None:
    """End a flow that waits for its children. None: it no longer waits (somebody cancelled it)."""
    return _change(
        conn, _SUPERSEDE, event=state.value, text=text, data=error, id=job_id, state=state.value,
        result=None if result is None else Jsonb(result), error=None if error is None else Jsonb(error),
    )  # fmt: skip


_PROGRESS_FLOW = _logged("UPDATE jobs SET progress = %(fraction)s, message = %(text)s WHERE id = %(id)s")


def report_flow(conn: Connection, job_id: str, *, fraction: float, message: str) -> Job | None:
    """Show on a waiting flow how far its children are."""
    return _change(
        conn, _PROGRESS_FLOW, event="progress", text=message, data={"fraction": fraction}, id=job_id, fraction=fraction
    )


_REVIVE = _logged(
    "UPDATE jobs SET state = %(state)s, run_at = CASE WHEN %(state)s = 'queued' THEN now()"
    " ELSE %(never)s::timestamptz END, sent_at = NULL, failures = 0, error = NULL, result = NULL,"
    " cancel_requested = false, finished_at = NULL WHERE id = %(id)s AND state IN ('failed', 'cancelled')"
)


def revive(conn: Connection, job_id: str, *, state: JobState, text: str) -> Job | None:
    """Bring a failed or cancelled job back: ``queued``, or ``waiting`` for its children."""
    return _change(conn, _REVIVE, event=state.value, text=text, id=job_id, state=state.value, never=NEVER)


# --- sweeps ---------------------------------------------------------------------------------------------------------


def expired(conn: Connection, limit: int) -> list[Job]:
    """Lock and return running jobs whose lease ran out, skipping those that another sweep holds."""
    sql: LiteralString = (
        "SELECT " + _COLUMNS + " FROM jobs WHERE state = 'running' AND lease_until < now()"
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


def delete_old_events(conn: Connection, age: timedelta, limit: int) -> int:
    """Delete progress events of jobs that ended ``age`` ago, at most ``limit``; changes of state are kept."""
    return conn.execute(
        "DELETE FROM job_events WHERE (job_id, seq) IN (SELECT job_id, seq FROM job_events JOIN jobs ON jobs.id = job_id"
        " WHERE type = 'progress' AND job_events.at < now() - %s AND finished_at < now() - %s LIMIT %s)",
        [age, age, limit],
    ).rowcount


def delete_old_idempotency_keys(conn: Connection, age: timedelta) -> int:
    """Forget idempotency keys older than ``age``."""
    return conn.execute("DELETE FROM idempotency_keys WHERE created_at < now() - %s", [age]).rowcount


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
