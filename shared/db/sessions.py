"""SQL of the table ``sessions``: who is signed in to the review site. The token itself is never here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """A session that is open, and the key that it was opened with."""

    id: str
    key_id: str
    name: str
    scopes: list[str]
    expires_at: datetime
    stale: bool  # not marked as seen for a minute


@dataclass(frozen=True, kw_only=True)
class Lasting:
    """How long a session lasts: ``unused`` seconds, and ``most`` seconds however much it is used."""

    unused: float
    most: float


_OPEN: Final = """
INSERT INTO sessions (id, hash, key_id, expires_at)
VALUES (%s, %s, %s, now() + make_interval(secs => least(%s, %s)))
"""
_SEEN: Final = """
UPDATE sessions
SET seen_at = now(),
    expires_at = least(now() + make_interval(secs => %s), created_at + make_interval(secs => %s))
WHERE id = %s
"""
_BY_HASH: Final = """
SELECT s.id, s.key_id, k.name, k.scopes, s.expires_at, s.seen_at < now() - interval '1 minute' AS stale
FROM sessions s JOIN api_keys k ON k.id = s.key_id
WHERE s.hash = %s AND s.expires_at > now() AND k.revoked_at IS NULL
"""


def open_session(conn: Connection, session_id: str, token_hash: bytes, key_id: str, lasting: Lasting) -> None:
    """Write down that a key's holder is signed in for so long; forget what ran out."""
    conn.execute("DELETE FROM sessions WHERE expires_at < now()")
    conn.execute(_OPEN, [session_id, token_hash, key_id, lasting.unused, lasting.most])


def by_hash(conn: Connection, token_hash: bytes) -> SignedIn | None:
    """Return the open session with this token; None when it ran out, was closed, or its key was revoked."""
    with conn.cursor(row_factory=class_row(SignedIn)) as cursor:
        return cursor.execute(_BY_HASH, [token_hash]).fetchone()


def seen(conn: Connection, session_id: str, lasting: Lasting) -> None:
    """Let a session that is used go on from now."""
    conn.execute(_SEEN, [lasting.unused, lasting.most, session_id])


def close_session(conn: Connection, session_id: str) -> None:
    """Forget a session."""
    conn.execute("DELETE FROM sessions WHERE id = %s", [session_id])
