"""SQL of the table ``alerts``: what belongs to no single job and must be seen by a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject

MODEL_UNREADABLE: Final = "model-unreadable"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert: its ``kind`` (as ``model-unreadable``), the id of what it is about, and a plain sentence."""

    id: int
    kind: str
    subject: str
    message: str
    data: JsonObject
    at: datetime


def raise_once(conn: Connection, kind: str, subject: str, message: str, data: Mapping[str, Any]) -> bool:
    """Write an alert unless there is one of this kind about this subject. Returns whether it was written.

    Every serving process meets the same broken model: the advisory lock makes them agree on one alert.
    """
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"alert {kind} {subject}"])
    written = conn.execute(
        "INSERT INTO alerts (kind, subject, message, data) SELECT %(kind)s, %(subject)s, %(message)s, %(data)s"
        " WHERE NOT EXISTS (SELECT FROM alerts WHERE kind = %(kind)s AND subject = %(subject)s)",
        {"kind": kind, "subject": subject, "message": message, "data": Jsonb(dict(data))},
    )
    return written.rowcount == 1


def list_alerts(conn: Connection, *, before: int | None = None, limit: int = 50) -> list[Alert]:
    """Return alerts, newest first; ``before`` is the id of the last one on the page before."""
    with conn.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(
            "SELECT id, kind, subject, message, data, at FROM alerts"
            " WHERE %(before)s::bigint IS NULL OR id < %(before)s ORDER BY id DESC LIMIT %(limit)s",
            {"before": before, "limit": limit},
        ).fetchall()
