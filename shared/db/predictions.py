"""SQL of the table ``predictions``: which model answered what, when, how surely, and by which path."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

import orjson
from psycopg import Connection
from psycopg.rows import class_row

from shared.contracts import JsonObject
from shared.errors import NotFoundError


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One row of ``predictions``: an answer that was given.

    ``model_id`` is the model that truly gave it (None on the fallback path), ``confidence`` is 0 to 1, ``created_at``
    when the answer was given. The input is not here: it may hold personal data, and is in the pipeline's own table.
    """

    id: str
    pipeline: str
    surface: str
    model_id: str | None
    path: str
    confidence: float
    output: JsonObject
    created_at: datetime


_SELECT: Final[LiteralString] = (
    "SELECT id, pipeline, surface, model_id, path, confidence, output, created_at FROM predictions "
)

# Written off the answer's path and tried again after a lost connection, which may come after the commit: hence the
# conflict rule. unnest of binary arrays is one statement whatever the number of rows.
_INSERT: Final = """
INSERT INTO predictions (id, pipeline, surface, model_id, path, confidence, output, created_at)
SELECT id, pipeline, surface, model_id, path, confidence, output::jsonb, created_at
FROM unnest(
    %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::float8[], %b::text[], %b::timestamptz[]
) AS t (id, pipeline, surface, model_id, path, confidence, output, created_at)
ON CONFLICT (id) DO NOTHING
"""


def insert(conn: Connection, rows: Sequence[Prediction]) -> None:
    """Write predictions, all in one statement; those already there are left as they are."""
    columns = (
        [r.id for r in rows],
        [r.pipeline for r in rows],
        [r.surface for r in rows],
        [r.model_id for r in rows],
        [r.path for r in rows],
        [r.confidence for r in rows],
        [orjson.dumps(r.output).decode() for r in rows],
        [r.created_at for r in rows],
    )
    conn.execute(_INSERT, columns)


def get(conn: Connection, prediction_id: str) -> Prediction:
    """Return one prediction. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(Prediction)) as cursor:
        row = cursor.execute(_SELECT + "WHERE id = %s", [prediction_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no prediction {prediction_id}")
    return row


def list_predictions(
    conn: Connection,
    *,
    pipeline: str | None = None,
    surface: str | None = None,
    model_id: str | None = None,
    path: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Prediction]:
    """Return predictions, newest first; ``before`` is the id of the last one on the page before."""
    filters: dict[LiteralString, str | None] = {
        "pipeline = %s": pipeline,
        "surface = %s": surface,
        "model_id = %s": model_id,
        "path = %s": path,
        "id < %s": before,
    }
    given = {condition: value for condition, value in filters.items() if value is not None}
    where: LiteralString = " AND ".join(given) or "true"
    with conn.cursor(row_factory=class_row(Prediction)) as cursor:
        return cursor.execute(
            _SELECT + "WHERE " + where + " ORDER BY id DESC LIMIT %s", [*given.values(), limit]
        ).fetchall()
