"""SQL of the table ``alerts``: what belongs to no single job and must be seen by a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject
from shared.errors import NotFoundError

MODEL_UNREADABLE: Final = "model-unreadable"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert: its ``kind`` (as ``model-unreadable``), the id of what it is about, and a plain sentence.

    ``closed_at`` and ``closed_by`` are None until a person has seen to it.
    """

    id: int
    kind: str
    subject: str
    message: str
    data: JsonObject
    at: datetime
    closed_at: datetime | None
    closed_by: str | None


_SELECT: Final[LiteralString] = "SELECT id, kind, subject, message, data, at, closed_at, closed_by FROM alerts "


def raise_once(conn: Connection, kind: str, subject: str, message: str, data: Mapping[str, Any]) -> bool:
    """Write an alert unless there is one of this kind about this subject. Returns whether it was written.

    One that a person closed counts for a week: what is still so then is told again. Every serving process meets the
    same broken model: the advisory lock makes them agree on one alert.
    """
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"alert {kind} {subject}"])
    written = conn.execute(
        "INSERT INTO alerts (kind, subject, message, data) SELECT %(kind)s, %(subject)s, %(message)s, %(data)s"
        " WHERE NOT EXISTS (SELECT FROM alerts WHERE kind = %(kind)s AND subject = %(subject)s"
        " AND (closed_at IS NULL OR closed_at > now() - interval '7 days'))",
        {"kind": kind, "subject": subject, "message": message, "data": Jsonb(dict(data))},
    )
    return written.rowcount == 1


def list_alerts(
    conn: Connection, *, before: int | None = None, limit: int = 50, only_open: bool = False
) -> list[Alert]:
    """Return alerts, newest first; ``before`` is the id of the last one on the page before."""
    still: LiteralString = "closed_at IS NULL AND " if only_open else ""
    with conn.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(
            _SELECT + "WHERE " + still + "(%(before)s::bigint IS NULL OR id < %(before)s)"
            " ORDER BY id DESC LIMIT %(limit)s",
            {"before": before, "limit": limit},
        ).fetchall()


def get(conn: Connection, alert_id: int) -> Alert:
    """Return one alert. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(Alert)) as cursor:
        row = cursor.execute(_SELECT + "WHERE id = %s", [alert_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no alert {alert_id}", advice="list them with GET /v1/alerts")
    return row


def close(conn: Connection, alert_id: int, actor: str) -> bool:
    """Write down that a person has seen to an alert; returns False where it is closed already, or there is none."""
    done = conn.execute(
        "UPDATE alerts SET closed_at = now(), closed_by = %s WHERE id = %s AND closed_at IS NULL", [actor, alert_id]
    )
    return done.rowcount == 1
