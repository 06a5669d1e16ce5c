"""Queries that wait for a label, as many as are asked for."""

from typing import Final

from tests.support.full_queues import ID, ODDS, Fill, N

TABLES: Final = "queries, query_words, ml_data, predictions"

_ANSWERED: Final = ID.format("pred")
_QUERY: Final = (
    f"""
INSERT INTO predictions (id, pipeline, surface, path, confidence, output)
SELECT {_ANSWERED}, 'router', 'default', 'model', {ODDS}, '{{}}' {N}
""",
    f"""
INSERT INTO queries (id, query, difficulty, confidence)
SELECT {_ANSWERED}, 'question ' || n, 'EASY', {ODDS} {N}
""",
)
FILL: Final[Fill] = {
    "labels": _QUERY,
    "disagreements": (
        *_QUERY,
        f"""
INSERT INTO query_words (query_id, label, source, said_by)
SELECT {_ANSWERED}, 'HARD', 'feedback', 'rater ' || mod(n, 3) {N}
""",
        f"""
INSERT INTO ml_data (id, query, group_key, label, source, query_id, labelled_by)
SELECT {ID.format("ex")}, 'question ' || n, n::text, 'HARD', 'feedback', {_ANSWERED}, 'rater ' || mod(n, 3) {N}
""",
        f"""
UPDATE queries SET labelled = true, contested_by = 'rater ' || mod(n, 3), confidence = 0.9 + 0.1 * {ODDS}
{N} WHERE id = {_ANSWERED}
""",
    ),
}
