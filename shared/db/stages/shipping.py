"""SQL of what training on approved rows is decided by: which there are, which are left out, how many are new."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row, scalar_row

from shared.contracts import JsonObject
from shared.db.provider_jobs import DEAD

_PAGE: Final = 1_000

_ROWS: Final = """
SELECT id, "group", label ->> 'industry' AS industry, label -> 'output' AS output
FROM stages_examples
WHERE surface = %(stage)s AND (%(days)s::int IS NULL OR at >= now() - make_interval(days => %(days)s::int))
ORDER BY id
"""

# In the order in which a row is looked at: what is of an old contract must be rewritten anyway.
_LEFT_OUT: Final = """
WITH lacking AS (
    SELECT industry, input ->> 'schema_version' = 'stage_input_' || stage || '_v1'
                 AND output ->> 'schema_version' = stage || '_v1' AS current
    FROM stage_rows r
    WHERE approved AND stage = %(stage)s
      AND (%(days)s::int IS NULL OR decided_at >= now() - make_interval(days => %(days)s::int))
      AND NOT EXISTS (SELECT FROM stages_examples e WHERE e.id = r.id)
)
SELECT CASE WHEN current IS NOT TRUE THEN 'schema-version'
            WHEN industry IS NULL THEN 'no-industry'
            ELSE 'same-input' END, count(*)
FROM lacking GROUP BY 1
"""

_FRESH: Final = """
SELECT e.surface, count(*)
FROM stages_examples e
WHERE e.at > coalesce((SELECT max(d.created_at) FROM provider_jobs p JOIN datasets d ON d.id = p.dataset_id
                       WHERE p.pipeline = 'stages' AND p.surface = e.surface AND p.state <> ALL(%s)), '-infinity')
GROUP BY e.surface
"""

_WAITING: Final = """
SELECT industry FROM stage_rows
WHERE approved IS NULL AND industry IS NOT NULL AND stage = %s
GROUP BY industry ORDER BY count(*) DESC, industry
"""


class ShippedRow(NamedTuple):
    """A row that may be trained on."""

    id: str
    group: str
    industry: str
    output: JsonObject


def shipped_rows(conn: Connection, stage: str, days: int | None) -> Iterator[ShippedRow]:
    """Stream a stage's trainable rows in the order of their ids: those that freezing takes. Memory does not grow."""
    with conn.cursor("shipped_rows", row_factory=class_row(ShippedRow)) as cursor:
        cursor.itersize = _PAGE
        yield from cursor.execute(_ROWS, {"stage": stage, "days": days})


def left_out(conn: Connection, stage: str, days: int | None = None) -> dict[str, int]:
    """Count approved rows that are not trained on, by reason: ``schema-version``, ``no-industry`` or ``same-input``."""
    return dict(conn.execute(_LEFT_OUT, {"stage": stage, "days": days}).fetchall())


def fresh(conn: Connection) -> dict[str, int]:
    """Count for each stage the trainable rows that no live fine-tune has seen, or sees now; none are left out.

    A dry run trains nothing, and a fine-tune that failed has learnt nothing: their rows are still new.
    """
    return dict(conn.execute(_FRESH, [list(DEAD)]).fetchall())


def waiting_industries(conn: Connection, stage: str) -> list[str]:
    """Return the industries of the rows that wait for a person, the one with most of them first."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(_WAITING, [stage]).fetchall()
