"""Queues as full as is asked for: items of each kind of review, put into the tables past the pipelines."""

import json
from typing import Final

from psycopg import Connection

from shared.pipelines.stages.contracts import as_json
from shared.pipelines.stages.deterministic import deterministic
from shared.pipelines.stages.sample import run_through
from tests.shared.pipelines.gold.conformance import SMALL
from tests.shared.pipelines.stages.conformance import BUSINESS

_ROW: Final = next(iter(run_through(BUSINESS, deterministic)))

# From item %(first)s to %(last)s of each kind; the certainty of an item is spread evenly.
_ID: Final = "'{}_' || lpad(to_hex(n), 32, '0')"
_N: Final = "FROM generate_series(%(first)s::integer, %(last)s::integer) AS n"
_ODDS: Final = "mod(n::bigint * 7919, 1000) / 1000.0"
_INSIGHT: Final = _ID.format("ins")
_IMAGE: Final = _ID.format("img")
_ANSWERED: Final = _ID.format("pred")
_PICTURE: Final = f"""
INSERT INTO images (id, webcam_id, source, artifact, bytes, width, height, format)
SELECT {_IMAGE}, 'cam_' || mod(n, 20), {_IMAGE}, {_IMAGE}, 1000, 640, 480, 'jpeg' {_N}
"""
_SCORE: Final = f"""
INSERT INTO image_scores (image_id, model_version, surface, raw_score, ai_rating, path)
SELECT {_IMAGE}, 'v1', 'regression', {_ODDS}, 1 + 4 * ({_ODDS}), 'onnx' {_N}
"""
_CAMERAS: Final = """
INSERT INTO webcams (id, name) SELECT 'cam_' || n, 'Camera ' || n FROM generate_series(0, 19) AS n
ON CONFLICT DO NOTHING
"""
_QUERY: Final = (
    f"""
INSERT INTO predictions (id, pipeline, surface, path, confidence, output)
SELECT {_ANSWERED}, 'router', 'default', 'model', {_ODDS}, '{{}}' {_N}
""",
    f"""
INSERT INTO queries (id, query, difficulty, confidence)
SELECT {_ANSWERED}, 'question ' || n, 'EASY', {_ODDS} {_N}
""",
)
_FILL: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("dedup", "clusters"): (
        f"INSERT INTO insights (id, statement) SELECT {_INSIGHT}, 'statement ' || n {_N}",
        f"INSERT INTO insights (id, statement) SELECT 'inz_' || lpad(to_hex(n), 32, '0'), 'like ' || n {_N}",
        f"""
INSERT INTO clusters (id, origin, embedding_model, linkage, threshold, similarity_min, similarity_mean, similarity_max,
                      merge_probability)
SELECT {_ID.format("cl")}, 'clustering', 'made@1', 'complete', 0.8, 0.9, 0.7 + 0.3 * {_ODDS}, 0.9,
       CASE WHEN mod(n, 2) = 0 THEN {_ODDS} END {_N}
""",
        f"""
INSERT INTO cluster_members (cluster_id, insight_id)
SELECT {_ID.format("cl")}, insight {_N}
CROSS JOIN LATERAL (VALUES ({_INSIGHT}), ('inz_' || lpad(to_hex(n), 32, '0'))) AS members (insight)
""",
    ),
    ("dedup", "merges"): (
        "INSERT INTO insights (id, statement) VALUES ('ins_one', 'one') ON CONFLICT DO NOTHING",
        f"""
INSERT INTO merged_statements (id, insight_id, statement, embedding, embedding_model, confidence)
SELECT {_INSIGHT}, 'ins_one', 'statement ' || n, '[1,0]', 'made@1', {_ODDS} {_N}
""",
    ),
    ("gold", "conclusions"): (
        f"""
INSERT INTO ml.examples (id, snapshot, group_key, window_from, window_to, reports, doubt)
SELECT {_ID.format("ex")}, '{json.dumps(SMALL)}', n::text, '2026-06-01', date '2026-06-07' + mod(n, 300), '',
       1 + mod(n, 3) {_N}
""",
        f"""
INSERT INTO ml.gold (example_id, decision, boundary, why_this_now, one_sentence_pattern, confidence, evidence, origin,
                     status, labelled_by)
SELECT {_ID.format("ex")}, 'Call.', 'No discount.', '', '', (ARRAY['low', 'medium', 'high'])[1 + mod(n, 3)], '[]',
       'machine', 'draft', 'rules' {_N}
""",
    ),
    ("images", "ratings"): (_CAMERAS, _PICTURE, _SCORE),
    ("images", "disagreements"): (
        _CAMERAS,
        _PICTURE,
        _SCORE,
        f"""
INSERT INTO ratings (image_id, rater, stars, kind, source)
SELECT {_IMAGE}, 'rater ' || mod(n, 3), CASE WHEN {_ODDS} < 0.5 THEN 5 ELSE 1 END, 'manual', 'import' {_N}
""",
    ),
    ("router", "labels"): _QUERY,
    ("router", "disagreements"): (
        *_QUERY,
        f"""
INSERT INTO query_words (query_id, label, source, said_by)
SELECT {_ANSWERED}, 'HARD', 'feedback', 'rater ' || mod(n, 3) {_N}
""",
        f"""
INSERT INTO ml_data (id, query, group_key, label, source, query_id, labelled_by)
SELECT {_ID.format("ex")}, 'question ' || n, n::text, 'HARD', 'feedback', {_ANSWERED}, 'rater ' || mod(n, 3) {_N}
""",
        f"""
UPDATE queries SET labelled = true, contested_by = 'rater ' || mod(n, 3), confidence = 0.9 + 0.1 * {_ODDS}
{_N} WHERE id = {_ANSWERED}
""",
    ),
    ("stages", "rows"): (
        f"""
INSERT INTO stage_rows (id, stage, group_key, input, output, source)
SELECT {_ID.format("ex")}, 'quant_signals', n::text, '{json.dumps(as_json(_ROW.input))}',
       '{json.dumps(as_json(_ROW.output))}'::jsonb
           || jsonb_build_object('confidence', (ARRAY['low', 'medium', 'high'])[1 + mod(n, 3)]), 'import' {_N}
""",
    ),
}
_TABLES: Final = (
    "clusters, cluster_members, merged_statements, insights, ml.examples, ml.gold, images, image_scores, ratings,"
    " webcams, queries, query_words, ml_data, predictions, stage_rows, review_responses, review_skips, review_reworks,"
    " review_assignments"
)


def fill(conn: Connection, pipeline: str, kind: str, first: int, last: int) -> None:
    """Bring the items of these numbers, and let the planner know of them, as autovacuum does within a minute."""
    for statement in _FILL[pipeline, kind]:
        conn.execute(statement.encode(), {"first": first, "last": last} if "%(" in statement else None)
    conn.execute(f"ANALYZE {_TABLES}".encode())


def empty(conn: Connection) -> None:
    """Take all items out again, and what people said of them."""
    conn.execute(f"TRUNCATE {_TABLES} CASCADE".encode())
