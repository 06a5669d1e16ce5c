"""SQL of what answers and labels look like over time, in a time that does not grow with how many there are.

Answers are read by slices of time along an index, a few of each, so that a sample is spread over the whole window.
Free text never leaves the database here: of an output or label only short words, numbers and yes or no are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import Connection, errors, sql
from psycopg.rows import class_row

from shared.ids import PREDICTION

_LONGEST: Final = 44  # characters of a word, with its quotes
_PATIENCE: Final = "2000"  # ms that reading labels may take: not every view has an index by time


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A stretch of time: from ``start`` up to ``end`` (timezone-aware), in the period of this number."""

    period: int
    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An answer in the sample; ``fields`` are its output's short ones, by dotted name."""

    slice: int
    path: str
    confidence: float
    fields: dict[str, Any]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Said:
    """A label that people gave: the word or number itself, or an object's short fields."""

    at: datetime
    label: Any


# The short fields of an object and of the objects in it, by dotted name.
_FIELDS: Final[LiteralString] = """
(SELECT coalesce(jsonb_object_agg(name, value), '{{}}') FROM (
    SELECT key AS name, value FROM jsonb_each({value})
    UNION ALL
    SELECT o.key || '.' || i.key, i.value
    FROM jsonb_each({value}) AS o,
        jsonb_each(CASE jsonb_typeof(o.value) WHEN 'object' THEN o.value ELSE '{{}}' END) AS i
) AS field WHERE jsonb_typeof(value) IN ('string', 'number', 'boolean') AND length(value::text) <= {longest})
"""

_ANSWERS: Final = """
SELECT slice.number AS slice, p.path, p.confidence::float8 AS confidence, {fields} AS fields, p.created_at AS at
FROM unnest(%(numbers)s::int[], %(lows)s::text[], %(highs)s::text[]) AS slice (number, low, high), LATERAL (
    SELECT path, confidence, output, created_at FROM predictions
    WHERE pipeline = %(pipeline)s AND id >= slice.low AND id < slice.high AND surface = %(surface)s
    ORDER BY id DESC LIMIT %(most)s
) AS p
"""

_LABELS: Final = """
SELECT at, CASE jsonb_typeof(label) WHEN 'object' THEN {fields} ELSE label END AS label
FROM (
    SELECT at, to_jsonb(label) AS label FROM {source} WHERE surface = %(surface)s AND at >= %(since)s
    ORDER BY at DESC LIMIT %(most)s
) AS latest
"""


def answers(conn: Connection, pipeline: str, surface: str, slices: Sequence[Slice], most: int) -> list[Answered]:
    """Return at most ``most`` answers of each slice, its latest ones; ``slice`` is its place in the sequence."""
    values = {
        "numbers": list(range(len(slices))), "lows": [_bound(each.start) for each in slices],
        "highs": [_bound(each.end) for each in slices], "pipeline": pipeline, "surface": surface, "most": most,
    }  # fmt: skip
    with conn.cursor(row_factory=class_row(Answered)) as cursor:
        return cursor.execute(sql.SQL(_ANSWERS).format(fields=_fields("p.output")), values).fetchall()


def labels(conn: Connection, source: str, surface: str, since: datetime, most: int) -> list[Said] | None:
    """Return the latest labels of a pipeline's view since a moment; None when reading them takes too long."""
    query = sql.SQL(_LABELS).format(fields=_fields("label"), source=sql.Identifier(source))
    try:
        with conn.transaction(), conn.cursor(row_factory=class_row(Said)) as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [_PATIENCE])
            found = cursor.execute(query, {"surface": surface, "since": since, "most": most}).fetchall()
            cursor.execute("SELECT set_config('statement_timeout', '840s', true)")
            return found
    except errors.QueryCanceled:
        return None


def _fields(value: LiteralString) -> sql.Composed:
    return sql.SQL(_FIELDS).format(value=sql.SQL(value), longest=sql.Literal(_LONGEST))


def _bound(at: datetime) -> str:
    """Return what ids made at a moment or later are not below: they begin with their time."""
    return f"{PREDICTION}_{int(at.timestamp() * 1000):012x}{'0' * 20}"
