"""Staging tables: rows that only one attempt sees, until its success writes them where they belong.

They are unlogged: a crash of the server empties them, and the attempt, whose transaction then fails, is made again.
"""

from psycopg import Connection, sql

_TABLES_OF_THE_DEAD = """
SELECT tablename FROM pg_tables
WHERE schemaname = 'staging'
  AND tablename NOT IN (SELECT id || '_' || attempt FROM jobs WHERE state = 'running')
"""


def table_of(job_id: str, attempt: int) -> sql.Identifier:
    """Return the name of an attempt's staging table."""
    return sql.Identifier("staging", f"{job_id}_{attempt}")


def create(conn: Connection, table: sql.Identifier, columns: str) -> None:
    """Make a staging table with these columns (SQL)."""
    statement = sql.SQL("CREATE UNLOGGED TABLE {} ({}) WITH (autovacuum_enabled = false)")
    conn.execute(statement.format(table, sql.SQL(columns)))


def drop_dead(conn: Connection) -> None:
    """Drop the tables of attempts that are no more."""
    for (name,) in conn.execute(_TABLES_OF_THE_DEAD).fetchall():
        drop(conn, sql.Identifier("staging", name))


def drop(conn: Connection, table: sql.Identifier) -> None:
    """Drop a staging table, if it is still there."""
    conn.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
