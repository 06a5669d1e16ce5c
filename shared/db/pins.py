"""SQL of the table ``pins``: surfaces that answer with their fallback on purpose, whatever model is active."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from shared import ids


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One row of ``pins``: who pinned a surface and why. ``ended_at`` is None while it holds."""

    id: str
    pipeline: str
    surface: str
    actor: str
    reason: str
    job_id: str | None
    pinned_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    ended_why: str | None


_SELECT: Final[LiteralString] = (
    "SELECT id, pipeline, surface, actor, reason, job_id, pinned_at, ended_at, ended_by, ended_why FROM pins "
)
_HOLDS: Final[LiteralString] = "pipeline = %s AND surface = %s AND ended_at IS NULL"


def holding(conn: Connection, pipeline: str, surface: str) -> Pin | None:
    """Return the pin that holds a surface now, if any."""
    with conn.cursor(row_factory=class_row(Pin)) as cursor:
        return cursor.execute(_SELECT + "WHERE " + _HOLDS, [pipeline, surface]).fetchone()


def put(conn: Connection, *, pipeline: str, surface: str, actor: str, reason: str, job_id: str | None) -> bool:
    """Pin a surface; returns False where it is pinned already, and then changes nothing."""
    done = conn.execute(
        "INSERT INTO pins (id, pipeline, surface, actor, reason, job_id) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (pipeline, surface) WHERE ended_at IS NULL DO NOTHING",
        [ids.new_id(ids.PIN), pipeline, surface, actor, reason, job_id],
    )
    return done.rowcount == 1


def end(conn: Connection, *, pipeline: str, surface: str, actor: str, reason: str) -> bool:
    """End the pin of a surface; returns False where there is none."""
    done = conn.execute(
        "UPDATE pins SET ended_at = now(), ended_by = %s, ended_why = %s WHERE " + _HOLDS,
        [actor, reason, pipeline, surface],
    )
    return done.rowcount == 1


def list_pins(conn: Connection, pipeline: str, surface: str, limit: int = 50) -> list[Pin]:
    """Return the pins of a surface, the latest first."""
    with conn.cursor(row_factory=class_row(Pin)) as cursor:
        return cursor.execute(
            _SELECT + "WHERE pipeline = %s AND surface = %s ORDER BY id DESC LIMIT %s", [pipeline, surface, limit]
        ).fetchall()
