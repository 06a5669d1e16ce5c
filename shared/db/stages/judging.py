"""SQL of what a stage's models are judged on: approved rows, whose businesses tell which of them are held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row, scalar_row

from shared.contracts import JsonObject
from shared.db import tuned
from shared.db.tuned import TunedModel


@dataclass(frozen=True, kw_only=True)
class ApprovedRow:
    """A trainable row of a stage."""

    id: str
    group: str
    input: JsonObject
    label: JsonObject
    at: datetime


_PIPELINE: Final = "stages"
_GROUPS: Final = 'SELECT DISTINCT "group" FROM stages_examples WHERE surface = %s ORDER BY "group"'
_WHOLE_GROUPS: Final = """
SELECT "group" FROM stages_examples WHERE surface = ANY(%s)
GROUP BY "group" HAVING count(DISTINCT surface) = %s ORDER BY "group"
"""
_ROWS: Final = """
SELECT id, "group", input, label, at FROM stages_examples WHERE surface = %s AND "group" = ANY(%s)
ORDER BY at DESC, id LIMIT %s
"""
_INPUTS: Final = """
SELECT DISTINCT ON ("group", surface) "group", surface, input
FROM stages_examples WHERE surface = ANY(%s) AND "group" = ANY(%s)
ORDER BY "group", surface, at DESC, id
"""

_LATEST_EVALS: Final = """
SELECT result FROM jobs
WHERE kind = 'stages.evals' AND state = 'succeeded' AND result #>> ARRAY['stages', %s, 'model_id'] = %s
ORDER BY finished_at DESC, id DESC LIMIT 1
"""


def groups_of(conn: Connection, stage: str) -> list[str]:
    """Return the businesses that a stage has trainable rows of."""
    return [group for (group,) in conn.execute(_GROUPS, [stage])]


def whole_groups(conn: Connection, stages: Sequence[str]) -> list[str]:
    """Return the businesses that every one of these stages has a trainable row of."""
    return [group for (group,) in conn.execute(_WHOLE_GROUPS, [list(stages), len(stages)])]


def latest_of_groups(conn: Connection, stage: str, groups: Sequence[str], limit: int) -> list[ApprovedRow]:
    """Return a stage's trainable rows of these businesses, those approved last first."""
    with conn.cursor(row_factory=class_row(ApprovedRow)) as cursor:
        return cursor.execute(_ROWS, [stage, list(groups), limit]).fetchall()


def inputs_of_groups(
    conn: Connection, stages: Sequence[str], groups: Sequence[str]
) -> dict[str, dict[str, JsonObject]]:
    """Return by business and stage the input that was approved last."""
    found: dict[str, dict[str, JsonObject]] = {group: {} for group in groups}
    for group, stage, value in conn.execute(_INPUTS, [list(stages), list(groups)]):
        found[group][stage] = value
    return found


def latest_evals(conn: Connection, stage: str, model_id: str) -> JsonObject | None:
    """Return the result of the evals that tried this model of a stage last."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(_LATEST_EVALS, [stage, model_id]).fetchone()


def find_model(conn: Connection, stage: str, name: str) -> TunedModel | None:
    """Return the stage's model with this id, version or provider's name."""
    return tuned.find(conn, _PIPELINE, stage, name)
