"""Searching in memory finds what searching in the database finds."""

import numpy as np
import pytest

from shared.db import dedup
from shared.db.dedup import Near
from shared.pipelines.dedup.searching import Search
from tests.shared.pipelines.dedup.desk import Desk

MODEL = "made@1"


def fill(desk: Desk, rng: np.random.Generator, start: int, stop: int) -> list[str]:
    vectors = rng.normal(size=(stop - start, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [desk.insight(f"statement {n}", vectors[n - start].tolist()) for n in range(start, stop)]


def both(desk: Desk, search: Search, rng: np.random.Generator, own: str) -> tuple[list[Near], list[Near]]:
    """Search in memory and in the database for the same vector."""
    vector = rng.normal(size=16).astype(np.float32)
    vector /= np.linalg.norm(vector)
    with desk.database.reading() as conn:
        (found,) = search.nearest(conn, vector[None], 5, [own])
        return found, dedup.nearest(conn, vector, MODEL, 5, [own])


@pytest.mark.parametrize("most_bytes", [1 << 20, 0])
def test_memory_and_database_find_the_same(desk: Desk, most_bytes: int) -> None:
    rng = np.random.default_rng(7)
    search = Search(MODEL, most_bytes)
    assert both(desk, search, rng, "ins_none") == ([], [])
    ids: list[str] = []
    for start, stop in ((0, 3), (3, 40), (40, 43)):
        ids += fill(desk, rng, start, stop)
        for own in (ids[0], ids[-1], "ins_none"):
            found, expected = both(desk, search, rng, own)
            assert [each.insight_id for each in found] == [each.insight_id for each in expected]
            assert [each.statement for each in found] == [each.statement for each in expected]
            assert [each.similarity for each in found] == pytest.approx(
                [each.similarity for each in expected], abs=1e-6
            )
            assert own not in {each.insight_id for each in found}
    desk.change("UPDATE insights SET merged_into = %s WHERE id = ANY(%s)", ids[0], ids[1:5])
    desk.insight("of another model", [1.0] * 8)
    desk.change("UPDATE insights SET embedding_model = 'other@1' WHERE statement = 'of another model'")
    found, expected = both(desk, search, rng, "ins_none")
    assert [each.insight_id for each in found] == [each.insight_id for each in expected]
