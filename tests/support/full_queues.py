"""Queues as full as is asked for: items of each kind of review, put into the tables past the pipelines.

Each pipeline has its own in ``tests/shared/pipelines/<name>/queues.py``: ``FILL``, the statements that bring the items
of a kind, from number ``%(first)s`` to ``%(last)s``, and ``TABLES``, in which they are.
"""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Final, TypeAlias

from psycopg import Connection

from shared.registry import pipelines

Fill: TypeAlias = Mapping[str, tuple[str, ...]]

ID: Final = "'{}_' || lpad(to_hex(n), 32, '0')"
"""The id of item ``n``: ``ID.format("ex")``."""
N: Final = "FROM generate_series(%(first)s::integer, %(last)s::integer) AS n"
ODDS: Final = "mod(n::bigint * 7919, 1000) / 1000.0"
"""How certain item ``n`` is: spread evenly."""
_WORK: Final = "review_responses, review_skips, review_reworks, review_assignments"


def fill(conn: Connection, pipeline: str, kind: str, first: int, last: int) -> None:
    """Bring the items of these numbers, and let the planner know of them, as autovacuum does within a minute."""
    queues = _queues(pipeline)
    for statement in queues.FILL[kind]:
        conn.execute(statement.encode(), {"first": first, "last": last} if "%(" in statement else None)
    conn.execute(f"ANALYZE {queues.TABLES}".encode())


def empty(conn: Connection) -> None:
    """Take all items out again, and what people said of them."""
    tables = [_queues(name).TABLES for name, pipeline in pipelines().items() if pipeline.reviews]
    conn.execute(f"TRUNCATE {', '.join([*tables, _WORK])} CASCADE".encode())


def _queues(pipeline: str) -> ModuleType:
    return import_module(f"tests.shared.pipelines.{pipeline}.queues")
