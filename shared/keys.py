"""API keys: 256 random bits, shown once, stored as a hash.

A plain SHA-256 is enough: what it protects is random, so there is nothing to guess and nothing to slow down.
"""

import hashlib
import secrets
from collections.abc import Iterable
from typing import Final

from psycopg import Connection

from shared import ids
from shared.contracts import Scope
from shared.db import keys as rows
from shared.db.keys import Key
from shared.errors import NotFoundError

_PREFIX: Final = "ty_"  # lets secret scanners, and people, see what it is
_BYTES: Final = 32


def create_key(conn: Connection, name: str, scopes: Iterable[Scope]) -> tuple[str, str]:
    """Create a key; return its id and the key itself, which nobody can read again."""
    key, plaintext = issue(conn, name, scopes)
    return key.id, plaintext


def issue(conn: Connection, name: str, scopes: Iterable[Scope]) -> tuple[Key, str]:
    """Create a key; return its row and the key itself."""
    plaintext = _PREFIX + secrets.token_urlsafe(_BYTES)
    names = sorted({Scope(scope).value for scope in scopes})
    return rows.insert(conn, ids.new_id(ids.KEY), name, hash_of(plaintext), names), plaintext


def hash_of(plaintext: str) -> bytes:
    """Return what is stored of a key."""
    return hashlib.sha256(plaintext.encode()).digest()


def revoke(conn: Connection, key_id: str) -> Key:
    """Revoke a key for good; every front notices within seconds. Raises NotFoundError."""
    key = rows.revoke(conn, key_id)
    if key is None:
        raise NotFoundError(f"there is no key {key_id}", advice="list keys with GET /v1/keys")
    return key
