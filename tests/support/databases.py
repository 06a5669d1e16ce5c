"""Databases for tests: one server for the session, one template migrated once, one clone for each test."""

import atexit
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from shared.db.migrate import migrate

_TEMPLATE = "tuneyard_template"


def make_template(admin_dsn: str, password: str) -> None:
    """Create the migrated database that every test's own is a copy of; let logging in cost less than it should."""
    with psycopg.connect(admin_dsn, autocommit=True) as conn:
        conn.execute("SET scram_iterations = 1")  # thousands of connections, one password that nobody wants to guess
        conn.execute(sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(sql.Literal(password)))
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
    migrate(make_conninfo(admin_dsn, dbname=_TEMPLATE))


@contextmanager
def fresh_database(admin_dsn: str, *, migrated: bool = True) -> Iterator[str]:
    """Lend the address of a new database; it is dropped afterwards, whoever is still connected."""
    name = f"test_{uuid.uuid4().hex}"
    template = _TEMPLATE if migrated else "template0"
    conn = _admin(admin_dsn)
    conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield _as_url(admin_dsn, name)
    finally:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@cache
def _admin(dsn: str) -> psycopg.Connection:
    """Return a connection that lasts as long as this process."""
    conn = psycopg.connect(dsn, autocommit=True)
    atexit.register(conn.close)
    return conn


def _as_url(admin_dsn: str, name: str) -> str:
    return f"{admin_dsn.rpartition('/')[0]}/{name}"
