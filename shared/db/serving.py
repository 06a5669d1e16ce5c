"""SQL that tells a serving process which models answer now."""

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class ActiveModel:
    """The model that answers for a surface. ``manifest`` is the SHA-256 that names its artifact."""

    pipeline: str
    surface: str
    id: str
    version: str
    manifest: str


def active_models(conn: Connection) -> list[ActiveModel]:
    """Return the active model of every surface that has one: a handful of rows, read from a partial index."""
    with conn.cursor(row_factory=class_row(ActiveModel)) as cursor:
        return cursor.execute(
            "SELECT pipeline, surface, id, version, manifest FROM models WHERE state = 'active'"
        ).fetchall()
