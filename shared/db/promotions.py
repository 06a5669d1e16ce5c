"""SQL of the table ``promotions``: who changed which model answers, and why. Rows are only ever added."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, LiteralString

from psycopg import Connection
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from shared.contracts import Verdict
from shared.errors import NotFoundError

PromotionKind = Literal["promote", "activate", "rollback", "deactivate"]


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One row of ``promotions``: from the model that was active (None: none) to the one that is now (None: none)."""

    id: str
    pipeline: str
    surface: str
    kind: PromotionKind
    from_model: str | None
    to_model: str | None
    evaluation_id: str | None
    verdicts: tuple[Verdict, ...]
    actor: str
    reason: str
    job_id: str | None
    at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "verdicts", tuple(Verdict.model_validate(v) for v in self.verdicts))


_SELECT: Final[LiteralString] = (
    "SELECT id, pipeline, surface, kind, from_model, to_model, evaluation_id, verdicts, actor, reason, job_id, at"
    " FROM promotions "
)

# The time is taken while the surface is held, so that it has the order in which the changes took effect.
_INSERT: Final = """
INSERT INTO promotions
    (id, pipeline, surface, kind, from_model, to_model, evaluation_id, verdicts, actor, reason, job_id, at)
VALUES
    (%(id)s, %(pipeline)s, %(surface)s, %(kind)s, %(from_model)s, %(to_model)s, %(evaluation_id)s, %(verdicts)s,
     %(actor)s, %(reason)s, %(job_id)s, clock_timestamp())
"""

# What stood before the change that made the present model active. A rollback is no such change: going back twice goes
# back two models, and never returns to the one that was left. With no model active, it is what was switched off.
_PREVIOUS: Final = """
SELECT from_model FROM promotions
WHERE pipeline = %s AND surface = %s AND to_model IS NOT DISTINCT FROM %s AND kind <> 'rollback'
ORDER BY at DESC LIMIT 1
"""


def insert(
    conn: Connection,
    *,
    promotion_id: str,
    pipeline: str,
    surface: str,
    kind: PromotionKind,
    from_model: str | None,
    to_model: str | None,
    evaluation_id: str | None,
    verdicts: tuple[Verdict, ...],
    actor: str,
    reason: str,
    job_id: str | None,
) -> None:
    """Record a promotion. It can never be changed afterwards: the database refuses."""
    values = {
        "id": promotion_id, "pipeline": pipeline, "surface": surface, "kind": kind, "from_model": from_model,
        "to_model": to_model, "evaluation_id": evaluation_id, "actor": actor, "reason": reason, "job_id": job_id,
        "verdicts": Jsonb([v.model_dump(mode="json") for v in verdicts]),
    }  # fmt: skip
    conn.execute(_INSERT, values)


def get(conn: Connection, promotion_id: str) -> Promotion:
    """Return one promotion. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(Promotion)) as cursor:
        row = cursor.execute(_SELECT + "WHERE id = %s", [promotion_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no promotion {promotion_id}")
    return row


def list_promotions(
    conn: Connection,
    *,
    pipeline: str | None = None,
    surface: str | None = None,
    to_model: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Promotion]:
    """Return promotions, newest first; ``before`` is the id of the last one on the page before."""
    filters: dict[LiteralString, str | None] = {
        "pipeline = %s": pipeline,
        "surface = %s": surface,
        "to_model = %s": to_model,
        "id < %s": before,
    }
    given = {condition: value for condition, value in filters.items() if value is not None}
    where: LiteralString = " AND ".join(given) or "true"
    with conn.cursor(row_factory=class_row(Promotion)) as cursor:
        return cursor.execute(
            _SELECT + "WHERE " + where + " ORDER BY id DESC LIMIT %s", [*given.values(), limit]
        ).fetchall()


def previous_model(conn: Connection, pipeline: str, surface: str, active_id: str | None) -> str | None:
    """Return the model that a rollback goes back to by default, or None when there was none before."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(_PREVIOUS, [pipeline, surface, active_id]).fetchone()


def was_active(conn: Connection, model_id: str) -> bool:
    """Return whether a model has ever been active."""
    return conn.execute("SELECT FROM promotions WHERE to_model = %s LIMIT 1", [model_id]).fetchone() is not None
