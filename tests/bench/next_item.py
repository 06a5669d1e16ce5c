"""The next items to decide on, of each kind, while ever more wait: what a person feels between key and next item.

``python -m tests.bench next_item``. No item may cost more because others wait: the ratio is that of the largest number
of waiting items to the smallest.
"""

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
from tests.support import full_queues

_SIZES: Final = (1_000, 10_000, 100_000)
_LIMIT: Final = 5
_TIMES: Final = 40
_ADA: Final = "Ada"
_TARGET_MS: Final = 20


def run(bench: Bench) -> None:
    """Fill each queue to each size, and note what the next items cost there."""
    database = get_database()
    for pipeline in pipelines().values():
        for asked in pipeline.reviews:
            _note(bench, database, pipeline, asked.kind)


def _note(bench: Bench, database: Database, pipeline: Pipeline[Any, Any], kind: str) -> None:
    took, filled = [], 0
    for size in _SIZES:
        with psycopg.connect(get_settings().dsn(), autocommit=True) as conn:
            if not filled:
                full_queues.empty(conn)
            full_queues.fill(conn, pipeline.name, kind, filled + 1, size)
        filled = size
        took.append(_milliseconds(database, partial(_next, pipeline=pipeline, kind=kind)))
    what = f"next {_LIMIT} of {pipeline.name} {kind}, {' / '.join(f'{size:,}' for size in _SIZES)} waiting"
    shown = " / ".join(f"{each:.1f}" for each in took)
    bench.note(what, "-", f"{shown} ms", f"{took[-1] / took[0]:.2f}", f"≤ {_TARGET_MS} ms each")
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
