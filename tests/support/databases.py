"""Databases for tests: one server for the session, one template migrated once, one clone for each test."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from shared.db.migrate import migrate

_TEMPLATE = "tuneyard_template"


def make_template(admin_dsn: str) -> None:
    """Create the migrated database that every test's own is a copy of."""
    with psycopg.connect(admin_dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
    migrate(make_conninfo(admin_dsn, dbname=_TEMPLATE))


@contextmanager
def fresh_database(admin_dsn: str, *, migrated: bool = True) -> Iterator[str]:
    """Lend the address of a new database; it is dropped afterwards, whoever is still connected."""
    name = f"test_{uuid.uuid4().hex}"
    template = _TEMPLATE if migrated else "template0"
    with psycopg.connect(admin_dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield _as_url(admin_dsn, name)
    finally:
        with psycopg.connect(admin_dsn, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _as_url(admin_dsn: str, name: str) -> str:
    return f"{admin_dsn.rpartition('/')[0]}/{name}"
