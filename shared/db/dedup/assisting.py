"""SQL of what the active model says of neighbours: whom it has not been asked about, and whom it keeps apart."""

from dataclasses import dataclass
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class NeighbourPair:
    """Two neighbours (``a`` < ``b``) with their statements, and the cosine of their vectors."""

    a: str
    b: str
    statement_a: str
    statement_b: str
    similarity: float


# Neither was merged, and nobody has said whether they are the same.
_OPEN: Final = """
FROM neighbours n
JOIN insights i ON i.id = n.a AND i.merged_into IS NULL
JOIN insights j ON j.id = n.b AND j.merged_into IS NULL
WHERE n.similarity >= %(threshold)s
  AND NOT EXISTS (SELECT FROM pairs l WHERE l.a = n.a AND l.b = n.b)
"""
_BY_MODEL: Final = """
SELECT FROM pair_predictions pp JOIN predictions p ON p.id = pp.prediction_id
WHERE pp.insight1_id = n.a AND pp.insight2_id = n.b AND p.model_id = %(model)s
"""
_UNASKED: Final = f"""
SELECT n.a, n.b, i.statement AS statement_a, j.statement AS statement_b, n.similarity {_OPEN}
  AND (n.a, n.b) > (%(a)s, %(b)s) AND NOT EXISTS ({_BY_MODEL})
ORDER BY n.a, n.b LIMIT %(limit)s
"""
_COUNTS: Final = f"""
SELECT count(*) FILTER (WHERE EXISTS ({_BY_MODEL})), count(*) {_OPEN}
"""
_UNLIKELY: Final = """
SELECT n.a, n.b
FROM neighbours n
CROSS JOIN LATERAL (
    SELECT pp.prediction, p.confidence
    FROM pair_predictions pp JOIN predictions p ON p.id = pp.prediction_id
    WHERE pp.insight1_id = n.a AND pp.insight2_id = n.b AND p.model_id = %(model)s
    ORDER BY pp.prediction_id DESC LIMIT 1) AS said
WHERE n.similarity >= %(threshold)s AND NOT (said.prediction AND said.confidence >= %(propose)s)
"""


def unasked_neighbours(
    conn: Connection, model_id: str, threshold: float, *, after: tuple[str, str], limit: int
) -> list[NeighbourPair]:
    """Return undecided neighbours after a pair, in order, that this model has not been asked about."""
    asked = {"model": model_id, "threshold": threshold, "a": after[0], "b": after[1], "limit": limit}
    with conn.cursor(row_factory=class_row(NeighbourPair)) as cursor:
        return cursor.execute(_UNASKED, asked).fetchall()


def asked_neighbours(conn: Connection, model_id: str, threshold: float) -> tuple[int, int]:
    """Return of how many undecided neighbours this model has said something, and how many there are."""
    row = conn.execute(_COUNTS, {"model": model_id, "threshold": threshold}).fetchone()
    return row or (0, 0)


def unlikely_pairs(conn: Connection, model_id: str, threshold: float, propose: float) -> set[tuple[str, str]]:
    """Return the neighbours that this model would not merge, or less surely than ``propose``."""
    asked = {"model": model_id, "threshold": threshold, "propose": propose}
    return {(a, b) for a, b in conn.execute(_UNLIKELY, asked)}
