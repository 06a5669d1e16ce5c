"""SQL of the router's table ``queries``: what was asked and answered. Never trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection


@dataclass(frozen=True, kw_only=True)
class Query:
    """One row of ``queries``. Its ``id`` is its prediction's; ``override`` is what a person said instead."""

    id: str
    query: str
    difficulty: str
    confidence: float
    model_version: str | None
    override: str | None
    created_at: datetime


# The same rules as for predictions (see there), to which these rows belong.
_INSERT: Final = """
INSERT INTO queries (id, query, difficulty, confidence, model_version, override, created_at)
SELECT * FROM unnest(
    %b::text[], %b::text[], %b::text[], %b::float8[], %b::text[], %b::text[], %b::timestamptz[]
)
ON CONFLICT (id) DO NOTHING
"""


def insert(conn: Connection, rows: Sequence[Query]) -> None:
    """Write queries, all in one statement; their predictions are there already, or in this transaction."""
    columns = (
        [r.id for r in rows],
        [r.query for r in rows],
        [r.difficulty for r in rows],
        [r.confidence for r in rows],
        [r.model_version for r in rows],
        [r.override for r in rows],
        [r.created_at for r in rows],
    )
    conn.execute(_INSERT, columns)
