"""API keys: 256 random bits, shown once, stored as a hash.

A plain SHA-256 is enough: what it protects is random, so there is nothing to guess and nothing to slow down.

``python -m shared.keys NAME [SCOPE ...]`` makes a key straight in the database and prints it: the first one of a new
installation, or one in place of the last that was lost. Without scopes it is an administrator's.
"""

import hashlib
import secrets
import sys
from collections.abc import Iterable
from typing import Final

import psycopg
from psycopg import Connection

from shared import ids
from shared.contracts import Scope
from shared.db import keys as rows
from shared.db import reviews_work
from shared.db.keys import Key
from shared.errors import NotFoundError
from shared.settings import get_settings

_PREFIX: Final = "ty_"  # lets secret scanners, and people, see what it is
_BYTES: Final = 32


def create_key(conn: Connection, name: str, scopes: Iterable[Scope]) -> tuple[str, str]:
    """Create a key; return its id and the key itself, which nobody can read again."""
    key, plaintext = issue(conn, name, scopes)
    return key.id, plaintext


def issue(conn: Connection, name: str, scopes: Iterable[Scope]) -> tuple[Key, str]:
    """Create a key; return its row and the key itself."""
    plaintext = new_key()
    return _insert(conn, name, scopes, plaintext), plaintext


def ensure(conn: Connection, name: str, scopes: Iterable[Scope], plaintext: str) -> None:
    """Create a key that was made up elsewhere (``new_key``), unless it is there."""
    if rows.by_hash(conn, hash_of(plaintext)) is None:
        _insert(conn, name, scopes, plaintext)


def new_key() -> str:
    """Make up a key: 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(_BYTES)


def _insert(conn: Connection, name: str, scopes: Iterable[Scope], plaintext: str) -> Key:
    names = sorted({Scope(scope).value for scope in scopes})
    return rows.insert(conn, ids.new_id(ids.KEY), name, hash_of(plaintext), names)


def hash_of(plaintext: str) -> bytes:
    """Return what is stored of a key."""
    return hashlib.sha256(plaintext.encode()).digest()


def revoke(conn: Connection, key_id: str) -> Key:
    """Revoke a key for good; every front notices within seconds. Raises NotFoundError.

    What was assigned to somebody who may decide no more is for everybody again.
    """
    key = rows.revoke(conn, key_id)
    if key is None:
        raise NotFoundError(f"there is no key {key_id}", advice="list keys with GET /v1/keys")
    reviews_work.release_gone(conn, key.name)
    return key


def main(arguments: list[str]) -> None:
    """Make a key and print it. Exits with a message when the arguments or the settings are wrong."""
    name, *scopes = arguments or [""]
    if not name or not set(scopes) <= set(Scope):
        raise SystemExit(f"usage: python -m shared.keys NAME [{'|'.join(Scope)} ...]")
    with psycopg.connect(get_settings().dsn()) as conn:
        _, plaintext = create_key(conn, name, [Scope(scope) for scope in scopes] or [Scope.ADMIN])
    print(plaintext)  # noqa: T201  (a command's output)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, psycopg.OperationalError) as error:  # no address, or nobody there
        raise SystemExit(str(error)) from None
