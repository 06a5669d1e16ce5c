"""The next items to decide on, of each kind, while ever more wait: what a person feels between key and next item.

``python -m tests.bench next_item``. No item may cost more because others wait: the ratio is that of the largest number
of waiting items to the smallest.
"""

import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import psycopg

from shared.db.pool import Database, get_database
from shared.loop import review, review_work
from shared.loop.review_progress import progress
from shared.pipeline import Pipeline
from shared.registry import pipelines
from shared.settings import get_settings
from tests.bench.harness import Bench
from tests.shared.pipelines.gold.conformance import SMALL
from tests.shared.pipelines.stages.conformance import INPUTS

_SIZES: Final = (1_000, 10_000, 100_000)
_LIMIT: Final = 5
_TIMES: Final = 40
_ADA: Final = "Ada"
_TARGET_MS: Final = 100

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
FILL: Final[dict[tuple[str, str], tuple[str, ...]]] = {
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
SELECT {_ID.format("ex")}, '{json.dumps(SMALL)}', n::text, '2026-06-01', date '2026-06-07' + mod(n, 300), '', mod(n, 5) {_N}
""",
    ),
    ("images", "ratings"): (_CAMERAS, _PICTURE, _SCORE),
    ("images", "disagreements"): (
        _CAMERAS,
        _PICTURE,
        _SCORE,
        f"""
INSERT INTO ratings (image_id, rater, stars, kind, source)
SELECT {_IMAGE}, 'rater ' || mod(n, 3), CASE WHEN {_ODDS} < 0.5 THEN 5 ELSE 1 END, 'manual', 'review' {_N}
""",
    ),
    ("router", "labels"): _QUERY,
    ("router", "disagreements"): (
        *_QUERY,
        f"""
UPDATE queries SET labelled = true, contested_by = 'rater ' || mod(n, 3), confidence = 0.9 + 0.1 * {_ODDS}
{_N} WHERE id = {_ANSWERED}
""",
    ),
    ("stages", "rows"): (
        f"""
INSERT INTO stage_rows (id, stage, group_key, input, output, source)
SELECT {_ID.format("ex")}, 'quant_signals', n::text, '{json.dumps(INPUTS[0])}',
       jsonb_build_object('confidence', (ARRAY['low', 'medium', 'high'])[1 + mod(n, 3)]), 'import' {_N}
""",
    ),
}
TABLES: Final = (
    "clusters, cluster_members, merged_statements, insights, ml.examples, images, image_scores, ratings, webcams,"
    " queries, predictions, stage_rows, review_responses, review_skips, review_reworks, review_assignments"
)


def run(bench: Bench) -> None:
    """Fill each queue to each size, and note what the next items cost there."""
    database = get_database()
    for pipeline in pipelines().values():
        for asked in pipeline.reviews:
            _note(bench, database, pipeline, asked.kind)


def _note(bench: Bench, database: Database, pipeline: Pipeline[Any, Any], kind: str) -> None:
    execute(f"TRUNCATE {TABLES} CASCADE")
    took, filled = [], 0
    for size in _SIZES:
        execute(*FILL[pipeline.name, kind], first=filled + 1, last=size)
        execute(f"ANALYZE {TABLES}")  # as autovacuum does within a minute
        filled = size
        took.append(_milliseconds(database, partial(_next, pipeline=pipeline, kind=kind)))
    what = f"next {_LIMIT} of {pipeline.name} {kind}, {' / '.join(f'{size:,}' for size in _SIZES)} waiting"
    shown = " / ".join(f"{each:.1f}" for each in took)
    bench.note(what, "-", f"{shown} ms", f"{took[-1] / took[0]:.2f}", f"≤ {_TARGET_MS} ms, ratio ≤ 2")
    _note_used(bench, database, pipeline, kind)


def _note_used(bench: Bench, database: Database, pipeline: Pipeline[Any, Any], kind: str) -> None:
    """Note the same after a person has skipped many and others were assigned many, and what counting costs."""
    with database.transaction() as conn:
        found = [item.id for item in review.next_items(conn, pipeline, kind, reviewer=_ADA, limit=200)]
        for item in found[:100]:
            review_work.skip(conn, pipeline, kind, item, reviewer=_ADA)
        review_work.assign_next(conn, pipeline, kind, reviewer="Bob", count=500, by="Bob", admin=False)
    used = _milliseconds(database, partial(_next, pipeline=pipeline, kind=kind))
    counted = _milliseconds(database, lambda conn: progress(conn, pipeline, kind, reviewer=_ADA))
    what = f"{pipeline.name} {kind}, {_SIZES[-1]:,} waiting"
    bench.note(f"{what}: the next after 100 skips and 500 assigned to others", "-", f"{used:.1f} ms", "-", "-")
    bench.note(f"{what}: progress, with the count of what waits", "-", f"{counted:.1f} ms", "-", "-")


def _next(conn: psycopg.Connection, *, pipeline: Pipeline[Any, Any], kind: str) -> None:
    found = review.next_items(conn, pipeline, kind, reviewer=_ADA, limit=_LIMIT)
    if len(found) != _LIMIT:
        raise RuntimeError(f"{pipeline.name} {kind}: {len(found)} items")


def _milliseconds(database: Database, action: Callable[[psycopg.Connection], object]) -> float:
    """Return the median of many times, each in a transaction of its own, as a request has it."""
    took = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        with database.reading() as conn:
            action(conn)
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


def execute(*statements: str, **values: int) -> None:
    """Run statements, each on its own."""
    with psycopg.connect(get_settings().dsn(), autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement.encode(), values if "%(" in statement else None)
