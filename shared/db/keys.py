"""SQL of the table ``api_keys``. The key itself is never here, only its SHA-256."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

_COLUMNS: Final[LiteralString] = "id, name, scopes, created_at, revoked_at"


@dataclass(frozen=True, kw_only=True)
class Key:
    """One row of ``api_keys``, without the hash. ``name`` is the actor that jobs and labels record."""

    id: str
    name: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None


def insert(conn: Connection, key_id: str, name: str, key_hash: bytes, scopes: Sequence[str]) -> Key:
    """Write a key and return it."""
    sql: LiteralString = "INSERT INTO api_keys (id, name, hash, scopes) VALUES (%s, %s, %s, %s) RETURNING " + _COLUMNS
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        key = cursor.execute(sql, [key_id, name, key_hash, list(scopes)]).fetchone()
    if key is None:
        raise RuntimeError("INSERT RETURNING gave no row")
    return key


def by_hash(conn: Connection, key_hash: bytes) -> Key | None:
    """Return the key with this hash unless it was revoked."""
    sql: LiteralString = "SELECT " + _COLUMNS + " FROM api_keys WHERE hash = %s AND revoked_at IS NULL"
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(sql, [key_hash]).fetchone()


def revoke(conn: Connection, key_id: str) -> Key | None:
    """Revoke a key and return it; the time of an earlier revocation stays. None: there is no such key."""
    sql: LiteralString = (
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = %s RETURNING " + _COLUMNS
    )
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(sql, [key_id]).fetchone()


def list_keys(conn: Connection, *, before: str | None = None, limit: int = 50) -> list[Key]:
    """Return keys, newest first, revoked ones too; ``before`` is the last id of the page before."""
    sql: LiteralString = (
        "SELECT " + _COLUMNS + " FROM api_keys WHERE %(before)s::text IS NULL OR id < %(before)s"
        " ORDER BY id DESC LIMIT %(limit)s"
    )
    with conn.cursor(row_factory=class_row(Key)) as cursor:
        return cursor.execute(sql, {"before": before, "limit": limit}).fetchall()
