"""SQL of the table ``job_events``: what happened to jobs, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject


@dataclass(frozen=True, kw_only=True)
class Event:
    """One row of ``job_events``. ``type`` is a state or progress, retry, rescued, cancel-requested, alert."""

    job_id: str
    seq: int
    attempt: int
    type: str
    message: str
    data: JsonObject
    at: datetime


def after(conn: Connection, job_ids: Sequence[str], seq: int, limit: int) -> list[Event]:
    """Return the events of these jobs that come after ``seq``, in order."""
    with conn.cursor(row_factory=class_row(Event)) as cursor:
        return cursor.execute(
            "SELECT job_id, seq, attempt, type, message, data, at FROM job_events"
            " WHERE job_id = ANY(%s) AND seq > %s ORDER BY seq LIMIT %s",
            [list(job_ids), seq, limit],
        ).fetchall()


def latest(conn: Connection, job_id: str, limit: int) -> list[Event]:
    """Return the last events of a job, in order."""
    with conn.cursor(row_factory=class_row(Event)) as cursor:
        found = cursor.execute(
            "SELECT job_id, seq, attempt, type, message, data, at FROM job_events"
            " WHERE job_id = %s ORDER BY seq DESC LIMIT %s",
            [job_id, limit],
        ).fetchall()
    return found[::-1]


def changes(conn: Connection, job_id: str, limit: int) -> list[Event]:
    """Return the last events of a job that are more than progress, in order."""
    with conn.cursor(row_factory=class_row(Event)) as cursor:
        found = cursor.execute(
            "SELECT job_id, seq, attempt, type, message, data, at FROM job_events"
            " WHERE job_id = %s AND type <> 'progress' ORDER BY seq DESC LIMIT %s",
            [job_id, limit],
        ).fetchall()
    return found[::-1]


def after_each(conn: Connection, cursors: Mapping[str, int], limit: int) -> list[Event]:
    """Return what is new of many jobs: for each job id its first ``limit`` events after the sequence number given.

    A cursor for each job, since numbers grow within a job only: a later commit of another job may bring lower ones.
    """
    with conn.cursor(row_factory=class_row(Event)) as cursor:
        return cursor.execute(
            "SELECT e.* FROM unnest(%b::text[], %b::bigint[]) AS wanted (job_id, seq) CROSS JOIN LATERAL ("
            " SELECT job_id, seq, attempt, type, message, data, at FROM job_events"
            " WHERE job_id = wanted.job_id AND seq > wanted.seq ORDER BY seq LIMIT %s) AS e ORDER BY e.seq",
            [list(cursors), list(cursors.values()), limit],
        ).fetchall()


def add(conn: Connection, job_id: str, attempt: int, *, type_: str, message: str, data: JsonObject) -> None:
    """Add an event that is no change of state. The caller holds the job's row lock."""
    conn.execute(
        "INSERT INTO job_events (job_id, attempt, type, message, data) VALUES (%s, %s, %s, %s, %s)",
        [job_id, attempt, type_, message, Jsonb(data)],
    )
