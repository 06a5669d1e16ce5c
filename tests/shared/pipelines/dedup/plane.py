"""Insights as vectors that tests can picture, and what clustering made of them."""

import math
from typing import Any

import numpy as np

from shared.contracts import JsonObject
from shared.pipelines.dedup.contracts import insight_id
from tests.shared.pipelines.dedup.desk import Desk


def store(desk: Desk, vectors: Any, model: str = "made@1", start: int = 0) -> list[str]:
    """Store insights with these vectors, past the ingest; returns their ids."""
    made = [(f"statement {n}", row) for n, row in enumerate(vectors, start)]
    rows = [(insight_id(text), text, str([round(float(x), 6) for x in row]), model) for text, row in made]
    with desk.database.transaction() as conn, conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO insights (id, statement, embedding, embedding_model)"
            " SELECT %s, %s, l2_normalize(%s::vector), %s",
            rows,
        )
    return [row[0] for row in rows]


def at_angles(desk: Desk, **degrees: float) -> None:
    """Store insights with these statements in a plane: 10° apart is 0.985, 30° is 0.866, 40° is 0.766."""
    for statement, angle in degrees.items():
        desk.insight(statement, (math.cos(math.radians(angle)), math.sin(math.radians(angle))))


def families(count: int, seed: int = 3) -> Any:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((max(count // 4, 1), 16))
    return centres[random.integers(0, len(centres), count)] + 0.25 * random.standard_normal((count, 16))


def standing(desk: Desk, state: str = "open") -> dict[str, tuple[str, ...]]:
    """The clusters in a state, by id, with their statements."""
    found = desk.rows(
        "SELECT c.id, array_agg(i.statement ORDER BY i.statement) FROM clusters c"
        " JOIN cluster_members m ON m.cluster_id = c.id JOIN insights i ON i.id = m.insight_id"
        " WHERE c.state = %s GROUP BY c.id",
        state,
    )
    return {cluster_id: tuple(members) for cluster_id, members in found}


def neighbours(desk: Desk) -> list[tuple[Any, ...]]:
    return desk.rows("SELECT a, b, round(similarity::numeric, 4) FROM neighbours ORDER BY a, b")


def counted(result: JsonObject) -> tuple[Any, ...]:
    return tuple(result[name] for name in ("clusters", "new", "changed", "retired"))
