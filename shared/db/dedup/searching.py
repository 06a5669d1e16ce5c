"""SQL of exact searches in memory: the vectors of insights, from a number on, and what the nearest of them say."""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from psycopg import Connection


class NumberedVector(NamedTuple):
    """An insight's number and id, and its vector as PostgreSQL sends it: a header of four bytes, big-endian float32."""

    number: int
    id: str
    embedding: bytes


_SIZE: Final = """
SELECT count(*), coalesce(max(vector_dims(embedding)), 0) FROM insights
WHERE embedding_model = %s AND merged_into IS NULL
"""
_VECTORS: Final = """
SELECT number, id, embedding FROM insights
WHERE embedding_model = %s AND number > %s AND merged_into IS NULL ORDER BY number
"""
_STATEMENTS: Final = "SELECT id, statement FROM insights WHERE id = ANY(%s) AND merged_into IS NULL"


def size_of_vectors(conn: Connection, embedding_model: str) -> int:
    """Return how many bytes the vectors of a model take, those of merged insights left out."""
    ((count, dimensions),) = conn.execute(_SIZE, [embedding_model]).fetchall()
    return int(count) * int(dimensions) * 4


def vectors_since(conn: Connection, embedding_model: str, number: int) -> Iterator[NumberedVector]:
    """Yield the vectors of insights with higher numbers, in their order, those of merged insights left out."""
    with conn.cursor() as cursor:
        for row in cursor.stream(_VECTORS, [embedding_model, number], binary=True, size=500):
            yield NumberedVector(*row)


def statements_of(conn: Connection, insight_ids: Collection[str]) -> dict[str, str]:
    """Return what insights say, by id; merged ones are left out."""
    return dict(conn.execute(_STATEMENTS, [sorted(insight_ids)]).fetchall())
