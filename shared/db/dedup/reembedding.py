"""SQL that gives all statements vectors of another model: gathered beside the old ones, then swapped in together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg import Connection

from shared.db.dedup.incoming import as_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Statement(NamedTuple):
    """What an insight, or a statement that was merged, says."""

    id: str
    statement: str


class Swapped(NamedTuple):
    """How many insights, and how many merged statements, have other vectors now."""

    insights: int
    merged: int


# the same statement may be in both, under the same id
_OLD: Final = """
SELECT id, statement FROM insights WHERE embedding_model <> %(model)s AND id > %(after)s
UNION
SELECT id, statement FROM merged_statements WHERE embedding_model <> %(model)s AND id > %(after)s
"""
_MISSING: Final = f"""
SELECT old.id, old.statement FROM ({_OLD}) AS old
WHERE NOT EXISTS (SELECT FROM reembedded r WHERE r.id = old.id) ORDER BY old.id LIMIT %(limit)s
"""
_PROGRESS: Final = f"""
SELECT (SELECT count(*) FROM reembedded), count(*) FROM ({_OLD}) AS old
"""
_PUT: Final = """
INSERT INTO reembedded (id, embedding, embedding_model)
SELECT id, embedding::vector, %s FROM unnest(%s::text[], %s::text[]) AS t (id, embedding)
ON CONFLICT (id) DO NOTHING
"""
_SWAP: Final = """
UPDATE insights i SET embedding = r.embedding, embedding_model = r.embedding_model, compared = false
FROM reembedded r WHERE r.id = i.id
"""
_SWAP_MERGED: Final = """
UPDATE merged_statements m SET embedding = r.embedding, embedding_model = r.embedding_model
FROM reembedded r WHERE r.id = m.id
"""


def forget_other_vectors(conn: Connection, model: str) -> None:
    """Drop new vectors of another model, which an earlier run left behind."""
    conn.execute("DELETE FROM reembedded WHERE embedding_model <> %s", [model])


def without_new_vectors(conn: Connection, model: str, *, after: str, limit: int) -> list[Statement]:
    """Return statements after an id, in their order, with a vector of another model and no new one yet."""
    found = conn.execute(_MISSING, {"model": model, "after": after, "limit": limit})
    return [Statement(*row) for row in found]


def reembedding_progress(conn: Connection, model: str) -> tuple[int, int]:
    """Return how many statements have new vectors, and how many are to have them."""
    row = conn.execute(_PROGRESS, {"model": model, "after": ""}).fetchone()
    return row or (0, 0)


def put_new_vectors(conn: Connection, ids: Sequence[str], vectors: "NDArray[np.float32]", model: str) -> None:
    """Keep the new vectors of statements (rows, in the order of the ids)."""
    conn.execute(_PUT, [model, list(ids), [as_text(vector) for vector in vectors]])


def swap_vectors(conn: Connection) -> Swapped:
    """Put the new vectors in the place of the old ones. What was known of neighbours is forgotten."""
    insights = conn.execute(_SWAP).rowcount
    merged = conn.execute(_SWAP_MERGED).rowcount
    for table in ("reembedded", "neighbours", "neighbour_scans"):
        conn.execute(f"DELETE FROM {table}".encode())
    return Swapped(insights, merged)
