"""SQL over many runs at once, for the sweep and for whoever hears of a provider's job first; and of their events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject
from shared.db.provider_jobs import RunState

Woken = tuple[str, str, str]
"""A job to send a wake-up for: id, kind and queue."""


@dataclass(frozen=True, kw_only=True)
class OpenRun:
    """A run that the sweep looks after. ``driver_state`` is its job's, None when that is gone."""

    id: str
    job_id: str | None
    state: RunState
    file_id: str | None
    provider_job_id: str | None
    provider_status: str | None
    cancel_requested: bool
    driver_state: str | None
    events_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """An event of a provider's job. ``at`` is by the provider's clock; ``data`` holds figures only."""

    id: str
    at: datetime
    level: str
    message: str
    step: int | None
    loss: float | None
    data: JsonObject


_OPEN: Final = """
SELECT p.id, p.job_id, p.state, p.file_id, p.provider_job_id, p.provider_status, p.cancel_requested,
    j.state::text AS driver_state, p.events_at, p.created_at
FROM provider_jobs AS p LEFT JOIN jobs AS j ON j.id = p.job_id
WHERE p.server = %s AND p.finished_at IS NULL ORDER BY p.created_at
"""


def open_runs(conn: Connection, server: str) -> list[OpenRun]:
    """Return the runs of a server to which something may still happen, oldest first."""
    with conn.cursor(row_factory=class_row(OpenRun)) as cursor:
        return cursor.execute(_OPEN, [server]).fetchall()


def note_cancelled(conn: Connection, server: str) -> int:
    """Ask for the cancel of open runs whose job was cancelled; returns how many. Nobody takes them over any more.

    One that was about to be created again is in doubt again: the first create may show up after all.
    """
    return conn.execute(
        "UPDATE provider_jobs AS p SET cancel_requested = true, empty_lists = 0,"
        " state = CASE WHEN p.state = 'upload' AND p.creates > 0 THEN 'create_unknown' ELSE p.state END"
        " FROM jobs WHERE jobs.id = p.job_id"
        " AND jobs.state = 'cancelled' AND p.server = %s AND p.finished_at IS NULL AND NOT p.cancel_requested",
        [server],
    ).rowcount


_SEEN_UNDER_WAY: Final = """
UPDATE provider_jobs AS p SET provider_status = left(s.status, 40), last_seen_at = now()
FROM unnest(%b::text[], %b::text[]) AS s (id, status)
WHERE p.id = s.id AND p.state = 'polling'
    AND (p.provider_status IS DISTINCT FROM left(s.status, 40) OR p.last_seen_at < now() - interval '5 minutes')
RETURNING p.id, old.provider_status IS DISTINCT FROM new.provider_status
"""


def seen_under_way(conn: Connection, seen: Sequence[tuple[str, str]]) -> list[str]:
    """Note the statuses (run id, status) of runs under way; returns the ids of those that have changed.

    What has not changed is written every few minutes only: thousands of rows a sweep would be mostly waste.
    """
    columns = [[run_id for run_id, _ in seen], [status for _, status in seen]]
    written = conn.execute(_SEEN_UNDER_WAY, columns).fetchall()
    return [run_id for run_id, changed in written if changed]


# --- waking the jobs that wait ----------------------------------------------------------------------------------------

_WAKE_ENDED: Final = """
UPDATE jobs SET run_at = now(), sent_at = NULL FROM provider_jobs AS p
WHERE jobs.id = p.job_id AND p.server = %s AND p.finished_at > now() - interval '1 day'
    AND jobs.state = 'waiting' AND jobs.run_at > now()
RETURNING jobs.id, jobs.kind, jobs.queue
"""
_WAKE: Final = """
UPDATE jobs SET run_at = now(), sent_at = NULL
WHERE id = ANY(%s) AND state = 'waiting' AND run_at > now() AND run_at < '9999-01-01'
RETURNING id, kind, queue
"""


def wake(conn: Connection, job_ids: Sequence[str]) -> list[Woken]:
    """Let waiting jobs be due now. The relay sends their wake-ups, or the caller does, sooner, after the commit."""
    return conn.execute(_WAKE, [list(job_ids)]).fetchall()


def wake_ended(conn: Connection, server: str) -> list[Woken]:
    """Let jobs that wait for a run that has ended be due now: also those whose wake-up was lost."""
    return conn.execute(_WAKE_ENDED, [server]).fetchall()


def wake_by_provider_job(conn: Connection, provider_job_id: str) -> list[Woken]:
    """Let the job be due now that waits for this job of the provider. Empty: nobody waits for it.

    It is a hint only, so whoever brings it need not be believed: the woken job asks the provider itself.
    """
    found = conn.execute(
        "SELECT job_id FROM provider_jobs WHERE provider_job_id = %s AND job_id IS NOT NULL", [provider_job_id]
    ).fetchall()
    return wake(conn, [job_id for (job_id,) in found])


# --- events -----------------------------------------------------------------------------------------------------------

_INSERT_EVENTS: Final = """
INSERT INTO provider_events (run_id, event_id, at, level, message, step, loss, data)
SELECT %s, * FROM unnest(%s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::int[], %s::float8[], %s::jsonb[])
ON CONFLICT DO NOTHING RETURNING event_id
"""


def add_events(conn: Connection, run_id: str, events: Sequence[NewEvent]) -> set[str]:
    """Store events, each once; returns the ids of those that are new. Notes that the run was asked for them."""
    conn.execute("UPDATE provider_jobs SET events_at = now() WHERE id = %s", [run_id])
    columns = [
        [e.id for e in events], [e.at for e in events], [e.level for e in events], [e.message for e in events],
        [e.step for e in events], [e.loss for e in events], [Jsonb(e.data) for e in events],
    ]  # fmt: skip
    return {event_id for (event_id,) in conn.execute(_INSERT_EVENTS, [run_id, *columns]).fetchall()}


def list_events(conn: Connection, run_id: str, limit: int = 1000) -> list[NewEvent]:
    """Return a run's events, oldest first."""
    with conn.cursor(row_factory=class_row(NewEvent)) as cursor:
        return cursor.execute(
            "SELECT event_id AS id, at, level, message, step, loss, data FROM provider_events WHERE run_id = %s"
            " ORDER BY at, coalesce(step, 0), event_id LIMIT %s",
            [run_id, limit],
        ).fetchall()


def last_loss(conn: Connection, run_id: str) -> tuple[int, float] | None:
    """Return the last step of which a loss is known, and that loss."""
    return conn.execute(
        "SELECT step, loss FROM provider_events WHERE run_id = %s AND step IS NOT NULL AND loss IS NOT NULL"
        " ORDER BY step DESC LIMIT 1",
        [run_id],
    ).fetchone()
