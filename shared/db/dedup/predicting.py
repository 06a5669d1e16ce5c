"""SQL of what dedup's models said of pairs, and of the statements that they are asked about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from psycopg import Connection
from psycopg.rows import class_row

from shared.contracts import JsonObject
from shared.db import predictions
from shared.db.predictions import Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PIPELINE: Final = "dedup"
_SURFACE: Final = "default"


@dataclass(frozen=True, kw_only=True)
class PairPrediction:
    """A prediction of a pair of insights, in whichever order. The ids need not be of insights that there are.

    ``confidence`` and ``merge_probability`` are 0 to 1, ``similarity`` is a cosine.
    """

    id: str
    insight1_id: str
    insight2_id: str
    similarity: float
    should_merge: bool
    merge_probability: float
    confidence: float
    model_id: str | None
    path: str
    output: JsonObject
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Near:
    """An insight that is near to a vector, and how near (cosine)."""

    insight_id: str
    statement: str
    similarity: float


@dataclass(frozen=True, kw_only=True)
class StoredPair:
    """Two insights as they are stored. ``similarity`` is None where their vectors cannot be compared."""

    a_id: str
    b_id: str
    a: str
    b: str
    similarity: float | None


_PUT: Final = """
INSERT INTO pair_predictions (
    prediction_id, insight1_id, insight2_id, similarity_score, prediction, merge_probability
)
SELECT t.id, least(t.one COLLATE "C", t.two), greatest(t.one COLLATE "C", t.two), t.similarity, t.merge, t.probability
FROM unnest(%b::text[], %b::text[], %b::text[], %b::float8[], %b::bool[], %b::float8[])
     AS t (id, one, two, similarity, merge, probability)
ON CONFLICT (prediction_id) DO NOTHING
"""
_NEAREST: Final = """
SELECT id AS insight_id, statement, 1 - (embedding <=> %(vector)s::vector) AS similarity
FROM insights
WHERE embedding_model = %(model)s AND merged_into IS NULL AND id <> ALL(%(besides)s)
ORDER BY embedding <=> %(vector)s::vector, id
LIMIT %(count)s
"""
_PAIR: Final = """
SELECT a.id AS a_id, b.id AS b_id, a.statement AS a, b.statement AS b,
       CASE WHEN a.embedding_model = b.embedding_model THEN 1 - (a.embedding <=> b.embedding) END AS similarity
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS t (one, two, place)
JOIN insights a ON a.id = t.one JOIN insights b ON b.id = t.two
ORDER BY t.place
"""


def put_predictions(conn: Connection, found: Sequence[PairPrediction]) -> None:
    """Write predictions of pairs; those already there are left as they are. A pair of one insight is left out."""
    rows = [row for row in found if row.insight1_id != row.insight2_id]
    predictions.insert(
        conn,
        [
            Prediction(
                id=row.id, pipeline=_PIPELINE, surface=_SURFACE, model_id=row.model_id, path=row.path,
                confidence=row.confidence, output=row.output, created_at=row.at,
            )
            for row in rows
        ],
    )  # fmt: skip
    columns = (
        [row.id for row in rows],
        [row.insight1_id for row in rows],
        [row.insight2_id for row in rows],
        [row.similarity for row in rows],
        [row.should_merge for row in rows],
        [row.merge_probability for row in rows],
    )
    conn.execute(_PUT, columns)


def nearest(
    conn: Connection, vector: "NDArray[np.float32]", embedding_model: str, count: int, besides: Sequence[str] = ()
) -> list[Near]:
    """Return the insights whose vectors of this model are nearest, the nearest first: an exact search.

    Insights that were merged into others are left out: those stand for them.
    """
    text = "[" + ",".join(format(float(value), ".7g") for value in vector) + "]"
    asked = {"vector": text, "model": embedding_model, "count": count, "besides": list(besides)}
    with conn.cursor(row_factory=class_row(Near)) as cursor:
        return cursor.execute(_NEAREST, asked).fetchall()


def stored_pairs(conn: Connection, pairs: Sequence[tuple[str, str]]) -> list[StoredPair]:
    """Return pairs of insights with their statements, in order; a pair of which one is unknown is left out."""
    with conn.cursor(row_factory=class_row(StoredPair)) as cursor:
        return cursor.execute(_PAIR, [[one for one, _ in pairs], [two for _, two in pairs]]).fetchall()
