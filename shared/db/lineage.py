"""SQL that follows the threads between records: who labelled an example, what a job made, what rests on what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Who labelled an example, when, how, and (if it was feedback) about which answer. The input is not here."""

    id: str
    pipeline: str
    label: str
    source: str
    labelled_by: str
    labelled_at: datetime
    prediction_id: str | None


_SELECT_ORIGIN: Final[LiteralString] = (
    "SELECT id, pipeline, label, source, labelled_by, labelled_at, prediction_id FROM example_origins "
)

_MADE_BY: Final = """
SELECT id FROM datasets WHERE job_id = %(job)s
UNION ALL SELECT id FROM models WHERE job_id = %(job)s
UNION ALL SELECT id FROM evaluations WHERE job_id = %(job)s
UNION ALL SELECT id FROM promotions WHERE job_id = %(job)s
"""


def origins(conn: Connection, example_ids: Sequence[str]) -> dict[str, Origin]:
    """Return the origins of examples by id; one whose label was replaced since has none."""
    with conn.cursor(row_factory=class_row(Origin)) as cursor:
        found = cursor.execute(_SELECT_ORIGIN + "WHERE id = ANY(%s)", [list(example_ids)]).fetchall()
    return {origin.id: origin for origin in found}


def examples_about(conn: Connection, prediction_id: str) -> list[Origin]:
    """Return the examples that people made of one answer."""
    with conn.cursor(row_factory=class_row(Origin)) as cursor:
        return cursor.execute(_SELECT_ORIGIN + "WHERE prediction_id = %s", [prediction_id]).fetchall()


def made_by(conn: Connection, job_id: str) -> list[str]:
    """Return the ids of the datasets, models, evaluations and promotions that a job recorded."""
    return [row[0] for row in conn.execute(_MADE_BY, {"job": job_id})]


COUNTED: Final = 100_000


def answers_of(conn: Connection, model_id: str) -> int:
    """Count the predictions that a model has given, as far as ``COUNTED``."""
    row = conn.execute(
        "SELECT count(*) FROM (SELECT FROM predictions WHERE model_id = %s LIMIT %s) AS answers", [model_id, COUNTED]
    ).fetchone()
    return row[0] if row else 0


def promotion_at(conn: Connection, model_id: str, at: datetime | None) -> str | None:
    """Return the promotion by which a model was active at a moment (None: the last one that made it active)."""
    row = conn.execute(
        "SELECT id FROM promotions WHERE to_model = %s AND (%s::timestamptz IS NULL OR at <= %s)"
        " ORDER BY at DESC LIMIT 1",
        [model_id, at, at],
    ).fetchone()
    return row[0] if row else None


def promotions_on(conn: Connection, evaluation_id: str) -> list[str]:
    """Return the promotions that rest on an evaluation."""
    return [row[0] for row in conn.execute("SELECT id FROM promotions WHERE evaluation_id = %s", [evaluation_id])]
