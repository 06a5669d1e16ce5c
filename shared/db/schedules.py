"""SQL of the table ``schedule_slots``: which schedule entry fired when. The history decides, never a local file."""

from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import scalar_row


def open_slot(conn: Connection, entry: str, period: timedelta) -> int | None:
    """Take the entry's present slot if nobody has: returns its number, or None.

    Slot 0 is when the entry was first seen, and fires nothing: a new installation waits one period. Slots are whole
    periods since then, so two beats compute the same number and the primary key lets one of them through. Slots
    missed while everything was down are not made up for: only the present one fires.
    """
    with conn.cursor(row_factory=scalar_row) as cursor:
        cursor.execute("INSERT INTO schedule_slots (entry, slot) VALUES (%s, 0) ON CONFLICT DO NOTHING", [entry])
        return cursor.execute(
            "INSERT INTO schedule_slots (entry, slot)"
            " SELECT entry, floor(extract(epoch FROM now() - at) / extract(epoch FROM %s::interval))::bigint"
            " FROM schedule_slots WHERE entry = %s AND slot = 0"
            " ON CONFLICT DO NOTHING RETURNING slot",
            [period, entry],
        ).fetchone()


def note_job(conn: Connection, entry: str, slot: int, job_id: str) -> None:
    """Write down which job a slot fired."""
    conn.execute("UPDATE schedule_slots SET job_id = %s WHERE entry = %s AND slot = %s", [job_id, entry, slot])


def history(conn: Connection, entry: str, limit: int) -> list[tuple[int, object, str | None]]:
    """Return the entry's latest slots as (slot, at, job id)."""
    return conn.execute(
        "SELECT slot, at, job_id FROM schedule_slots WHERE entry = %s ORDER BY slot DESC LIMIT %s", [entry, limit]
    ).fetchall()


def first_seen(conn: Connection) -> dict[str, datetime]:
    """Return when each entry was first seen: its slots are whole periods since then."""
    return dict(conn.execute("SELECT entry, at FROM schedule_slots WHERE slot = 0").fetchall())


def next_slot(first: datetime, period: timedelta, now: datetime) -> datetime:
    """Return when an entry's next slot begins; beat fires it then, or as soon as it runs again."""
    return first + period * ((now - first) // period + 1)
