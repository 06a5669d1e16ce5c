"""Brings a database to the present schema: plain SQL files, in order, each once.

A library would bring a second language for SQL or a second driver; this is one table, one lock and a loop.
"""

import hashlib
from importlib import resources

import psycopg

from shared.errors import ConflictError
from shared.settings import get_settings

_LOCK = 7_845_120_331  # any constant: two migrating processes wait for each other

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
)
"""


def available() -> dict[str, bytes]:
    """Return the migrations that come with this version: name to SQL, in order."""
    folder = resources.files("shared.db") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return {f.name: f.read_bytes() for f in files}


def migrate(dsn: str) -> list[str]:
    """Apply what is missing, each file in one transaction, and return the names applied.

    Raises ConflictError when an applied file was changed afterwards: write a new one instead.
    """
    applied_now = []
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        conn.execute(_TABLE)
        known: dict[str, str] = dict(conn.execute("SELECT name, sha256 FROM schema_migrations").fetchall())
        for name, sql in available().items():
            digest = hashlib.sha256(sql).hexdigest()
            if name not in known:
                with conn.transaction():
                    conn.execute(sql)
                    conn.execute("INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)", [name, digest])
                applied_now.append(name)
            elif known[name] != digest:
                raise ConflictError(
                    f"migration {name} was changed after it was applied",
                    advice="restore the file, and put the change in a new migration",
                )
    return applied_now


def pending(conn: psycopg.Connection) -> list[str]:
    """Return the migrations that this database lacks."""
    if conn.execute("SELECT to_regclass('schema_migrations')").fetchone() == (None,):
        return list(available())
    known = {row[0] for row in conn.execute("SELECT name FROM schema_migrations")}
    return [name for name in available() if name not in known]


if __name__ == "__main__":
    print("\n".join(migrate(get_settings().dsn())) or "nothing to do")  # noqa: T201  (a command's output)
