"""SQL of the table ``idempotency_keys`` for requests that answer at once. Those of jobs: ``submissions.py``."""

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """What a key stands for: whether the request was the same, and the answer that it got (None: it made a job)."""

    same: bool
    status: int | None
    body: JsonObject | None


def take(conn: Connection, actor: str, key: str, request: bytes) -> bool:
    """Take a key for a request; wait for another transaction that is just taking it. False: it is taken."""
    taken = conn.execute(
        "INSERT INTO idempotency_keys (actor, key, request_hash) VALUES (%s, %s, sha256(%b)) ON CONFLICT DO NOTHING",
        [actor, key, request],
    )
    return taken.rowcount == 1


def keep(conn: Connection, actor: str, key: str, *, status: int, body: JsonObject) -> None:
    """Store the answer of the request that took the key."""
    conn.execute(
        "UPDATE idempotency_keys SET status = %s, body = %s WHERE actor = %s AND key = %s",
        [status, Jsonb(body), actor, key],
    )


def find(conn: Connection, actor: str, key: str, request: bytes) -> Remembered | None:
    """Return what a key stands for, if anything."""
    with conn.cursor(row_factory=class_row(Remembered)) as cursor:
        return cursor.execute(
            "SELECT request_hash = sha256(%b) AS same, status, body FROM idempotency_keys"
            " WHERE actor = %s AND key = %s",
            [request, actor, key],
        ).fetchone()
