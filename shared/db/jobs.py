"""SQL of the table ``jobs``: reading it, and what people do to jobs from outside.

Every change of a job writes its event in the same statement (``logged``). What a running attempt writes is in
``attempts.py``, new jobs are in ``submissions.py``, the sweeps' questions in ``sweeping.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from shared.contracts import FINAL_STATES, JobState, JsonObject

NEVER: Final = "9999-01-01 00:00+00"  # while children run; 'infinity' has no Python datetime

COLUMNS: Final[LiteralString] = """
    id, kind, queue, params, actor, state, attempt, failures, max_attempts, run_at, lease_until, worker,
    cancel_requested, sent_at, unique_key, parent_id, position, progress, message, counters, result, error,
    created_at, started_at, finished_at
"""


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


def logged(update: LiteralString) -> LiteralString:
    """Wrap an UPDATE of jobs so that it writes the event and returns the rows."""
    return (
        "WITH changed AS (" + update + " RETURNING " + COLUMNS + "), logged AS ("
        "  INSERT INTO job_events (job_id, attempt, type, message, data)"
        "  SELECT id, attempt, %(event)s, %(text)s, %(data)s FROM changed"
        ") SELECT " + COLUMNS + " FROM changed"
    )


def change(
    conn: Connection, sql: LiteralString, *, event: str, text: str = "", data: JsonObject | None = None, **params: Any
) -> Job | None:
    """Run a logged UPDATE of one job; None when it matched no row."""
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        cursor.execute(sql, {"event": event, "text": text, "data": Jsonb(data or {}), **params})
        return cursor.fetchone()


def get(conn: Connection, job_id: str, *, lock: bool = False) -> Job | None:
    """Return the job, locked against other writers if asked."""
    sql: LiteralString = "SELECT " + COLUMNS + " FROM jobs WHERE id = %s"
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(sql + (" FOR UPDATE" if lock else ""), [job_id]).fetchone()


def children(conn: Connection, parent_id: str) -> list[Job]:
    """Return a flow's steps so far, in order."""
    sql: LiteralString = "SELECT " + COLUMNS + " FROM jobs WHERE parent_id = %s ORDER BY position"
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(sql, [parent_id]).fetchall()


_BELOW: Final[LiteralString] = (
    "WITH RECURSIVE below AS ("
    " SELECT id FROM jobs WHERE parent_id = ANY(%(parents)s)"
    " UNION ALL SELECT jobs.id FROM jobs JOIN below ON jobs.parent_id = below.id)"
    " SELECT " + COLUMNS + " FROM jobs WHERE id IN (SELECT id FROM below LIMIT %(limit)s) ORDER BY parent_id, position"
)


def below(conn: Connection, parents: Sequence[str], limit: int) -> list[Job]:
    """Return the steps of these flows, and of flows among those: at most so many, in order under each parent."""
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(_BELOW, {"parents": list(parents), "limit": limit}).fetchall()


_LIST: Final[LiteralString] = (
    "SELECT " + COLUMNS + " FROM jobs"
    " WHERE (%(kind)s::text IS NULL OR kind = %(kind)s)"
    " AND (%(pipeline)s::text IS NULL OR kind LIKE %(pipeline)s || '.%%')"
    " AND (%(state)s::job_state IS NULL OR state = %(state)s)"
    " AND (%(queue)s::text IS NULL OR queue = %(queue)s)"
    " AND (%(parent)s::text IS NULL OR parent_id = %(parent)s)"
    " AND (%(actor)s::text IS NULL OR actor = %(actor)s)"
    " AND (NOT %(top)s OR parent_id IS NULL)"
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
    actor: str | None = None,
    top: bool = False,
    before: str | None = None,
    limit: int = 50,
) -> list[Job]:
    """Return jobs, newest first, that fit all filters given; ``before`` is the last id of the page before.

    ``top``: none that are steps of a flow.
    """
    filters = {
        "kind": kind, "pipeline": pipeline, "state": state, "queue": queue, "parent": parent, "actor": actor,
        "top": top, "before": before, "limit": limit,
    }  # fmt: skip
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(_LIST, filters).fetchall()


def active_with_unique_key(conn: Connection, unique_key: str) -> str | None:
    """Return the job that holds a unique key now."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(
            "SELECT id FROM jobs WHERE unique_key = %s AND state IN ('queued', 'running', 'waiting')", [unique_key]
        ).fetchone()


_CANCEL_AT_REST = logged(
    "UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE id = %(id)s AND state IN ('queued', 'waiting')"
)
_CANCEL_RUNNING = logged(
    "UPDATE jobs SET cancel_requested = true WHERE id = %(id)s AND state = 'running' AND NOT cancel_requested"
)


def cancel(conn: Connection, job_id: str, text: str) -> Job | None:
    """Cancel a job at rest, or ask a running one to stop. None: it is final, or was asked already."""
    return change(conn, _CANCEL_AT_REST, event="cancelled", text=text, id=job_id) or change(
        conn, _CANCEL_RUNNING, event="cancel-requested", text=text, id=job_id
    )


_SUPERSEDE = logged(
    "UPDATE jobs SET state = %(state)s::job_state, result = %(result)s, error = %(error)s, finished_at = now(),"
    " progress = CASE WHEN %(state)s::job_state = 'succeeded' THEN 1 ELSE progress END"
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
    return change(
        conn, _SUPERSEDE, event=state.value, text=text, data=error, id=job_id, state=state.value,
        result=None if result is None else Jsonb(result), error=None if error is None else Jsonb(error),
    )  # fmt: skip


_PROGRESS_FLOW = logged("UPDATE jobs SET progress = %(fraction)s, message = %(text)s WHERE id = %(id)s")


def report_flow(conn: Connection, job_id: str, *, fraction: float, message: str) -> Job | None:
    """Show on a waiting flow how far its children are."""
    return change(
        conn, _PROGRESS_FLOW, event="progress", text=message, data={"fraction": fraction}, id=job_id, fraction=fraction
    )


_PROGRESS_WAITING = logged(
    "UPDATE jobs SET message = %(text)s, counters = %(counters)s, progress = coalesce(%(fraction)s, progress)"
    " WHERE id = %(id)s AND state = 'waiting'"
)


def report_waiting(
    conn: Connection, job_id: str, *, fraction: float | None, message: str, counters: JsonObject
) -> Job | None:
    """Show on a waiting job how far that is for which it waits. None: it does not wait, and will say so itself."""
    return change(
        conn, _PROGRESS_WAITING, event="progress", text=message, data={"fraction": fraction, **counters}, id=job_id,
        fraction=fraction, counters=Jsonb(counters),
    )  # fmt: skip


_REVIVE = logged(
    "UPDATE jobs SET state = %(state)s::job_state, run_at = CASE WHEN %(state)s::job_state = 'queued' THEN now()"
    " ELSE %(never)s::timestamptz END, sent_at = NULL, failures = 0, error = NULL, result = NULL,"
    " cancel_requested = false, finished_at = NULL WHERE id = %(id)s AND state IN ('failed', 'cancelled')"
)


def revive(conn: Connection, job_id: str, *, state: JobState, text: str) -> Job | None:
    """Bring a failed or cancelled job back: ``queued``, or ``waiting`` for its children."""
    return change(conn, _REVIVE, event=state.value, text=text, id=job_id, state=state.value, never=NEVER)


_WAKE = logged(
    "UPDATE jobs SET state = 'queued', run_at = now(), sent_at = NULL WHERE id = %(id)s AND state = 'waiting'"
)


def wake(conn: Connection, job_id: str, text: str = "") -> Job | None:
    """Queue a waiting job again, due now. None: it does not wait."""
    return change(conn, _WAKE, event="queued", text=text, id=job_id)
