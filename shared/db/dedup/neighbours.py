"""SQL of which insights look alike: their vectors, and the pairs of them that were found to be neighbours."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class Scan:
    """Which neighbours are known: all pairs of compared insights that are so similar, the closest so many of each."""

    embedding_model: str
    threshold: float
    max_neighbours: int


class VectorRow(NamedTuple):
    """An insight's vector, as pgvector sends it: after four bytes, its numbers as big-endian float32."""

    id: str
    merged: bool
    embedding: bytes


class Neighbours(NamedTuple):
    """Two insights (``a`` < ``b``) and the cosine of their vectors."""

    a: str
    b: str
    similarity: float


# from one model to the next along an index: asked before every batch that comes in
_MODELS: Final = """
WITH RECURSIVE found AS (
    (SELECT embedding_model AS model FROM insights WHERE embedding_model IS NOT NULL ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (SELECT min(embedding_model) FROM insights WHERE embedding_model > found.model) FROM found
    WHERE found.model IS NOT NULL
), merged AS (
    (SELECT embedding_model AS model FROM merged_statements ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (SELECT min(embedding_model) FROM merged_statements WHERE embedding_model > merged.model) FROM merged
    WHERE merged.model IS NOT NULL
)
SELECT model FROM found WHERE model IS NOT NULL UNION SELECT model FROM merged WHERE model IS NOT NULL ORDER BY 1
"""
_COUNT: Final = """
SELECT count(*) FILTER (WHERE compared), count(*) FILTER (WHERE NOT compared), coalesce(max(vector_dims(embedding)), 0)
FROM insights WHERE embedding_model = %s
"""
# by the index on number: nothing is sorted
_VECTORS: Final = """
SELECT id, merged_into IS NOT NULL, embedding FROM insights
WHERE embedding_model = %s AND compared = %s ORDER BY number LIMIT %s
"""
_SCAN: Final = "SELECT embedding_model, threshold, max_neighbours FROM neighbour_scans WHERE embedding_model = %s"
_PUT_SCAN: Final = """
INSERT INTO neighbour_scans (embedding_model, threshold, max_neighbours) VALUES (%s, %s, %s)
ON CONFLICT (embedding_model) DO UPDATE SET threshold = excluded.threshold, max_neighbours = excluded.max_neighbours
"""
_COMPARED: Final = "UPDATE insights SET compared = true WHERE id = ANY(%s) AND embedding_model = %s AND NOT compared"
_COPY: Final = "COPY neighbours (a, b, similarity, embedding_model) FROM STDIN"
_NEIGHBOURS: Final = """
SELECT a, b, similarity FROM neighbours WHERE embedding_model = %s AND similarity >= %s ORDER BY a, b
"""


def embedding_models(conn: Connection) -> list[str]:
    """Return the models (``name@version``) of all stored vectors, sorted; more than one is too many."""
    return [name for (name,) in conn.execute(_MODELS)]


def count_vectors(conn: Connection, embedding_model: str) -> tuple[int, int, int]:
    """Return how many vectors of a model are compared, how many are not yet, and how many numbers each has."""
    row = conn.execute(_COUNT, [embedding_model]).fetchone()
    return row or (0, 0, 0)


def vectors(conn: Connection, embedding_model: str, *, compared: bool, limit: int) -> Iterator[VectorRow]:
    """Yield the vectors of a model, in the order in which the insights came; memory does not grow with them."""
    with conn.cursor() as cursor:
        for row in cursor.stream(_VECTORS, [embedding_model, compared, limit], binary=True, size=500):
            yield VectorRow(*row)


def find_scan(conn: Connection, embedding_model: str) -> Scan | None:
    """Return which neighbours are known among the vectors of a model."""
    with conn.cursor(row_factory=class_row(Scan)) as cursor:
        return cursor.execute(_SCAN, [embedding_model]).fetchone()


def begin_scan(conn: Connection, scan: Scan) -> None:
    """Forget all neighbours, and note from where on they will be known."""
    conn.execute("DELETE FROM neighbours")
    conn.execute("DELETE FROM neighbour_scans")
    conn.execute("UPDATE insights SET compared = false WHERE compared")
    conn.execute(_PUT_SCAN, [scan.embedding_model, scan.threshold, scan.max_neighbours])


def put_compared(
    conn: Connection, embedding_model: str, insight_ids: Sequence[str], found: Iterable[Neighbours]
) -> None:
    """Store the neighbours of insights that were not compared before, and that they are now."""
    with conn.cursor().copy(_COPY) as copy:
        for a, b, similarity in found:
            copy.write_row((a, b, similarity, embedding_model))
    conn.execute(_COMPARED, [list(insight_ids), embedding_model])


def near_pairs(conn: Connection, embedding_model: str, threshold: float) -> Iterator[Neighbours]:
    """Yield the neighbours from this similarity on, by their ids."""
    with conn.cursor() as cursor:
        for row in cursor.stream(_NEIGHBOURS, [embedding_model, threshold], binary=True, size=1_000):
            yield Neighbours(*row)
