"""SQL of who answers for dedup: its active model, how it did when it was evaluated, and the thresholds that count."""

from dataclasses import dataclass
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row

from shared.contracts import JsonObject


@dataclass(frozen=True, kw_only=True)
class Answerer:
    """The active model, and where to ask for it. ``metrics`` are those of its latest evaluation, by window."""

    id: str
    version: str
    provider: str
    provider_model: str
    metrics: JsonObject


@dataclass(frozen=True, kw_only=True)
class AppliedThresholds:
    """Thresholds of confidence (0 to 1) that a person put in the place of the policy's."""

    auto_merge: float
    propose: float
    evaluation_id: str | None
    actor: str


_ANSWERER: Final = """
SELECT m.id, m.version, m.parameters ->> 'provider' AS provider,
       m.parameters ->> 'provider_model' AS provider_model, m.metrics
FROM models m
WHERE m.pipeline = 'dedup' AND m.surface = 'default' AND m.state = 'active'
  AND NOT EXISTS (SELECT FROM pins p
                  WHERE p.pipeline = m.pipeline AND p.surface = m.surface AND p.ended_at IS NULL)
"""
_THRESHOLDS: Final = """
SELECT auto_merge, propose, evaluation_id, actor FROM dedup_thresholds ORDER BY id DESC LIMIT 1
"""
_APPLY: Final = """
INSERT INTO dedup_thresholds (auto_merge, propose, evaluation_id, actor, reason)
VALUES (%(auto_merge)s, %(propose)s, %(evaluation_id)s, %(actor)s, %(reason)s)
"""
_EVALUATION: Final = """
SELECT e.id, e.metrics FROM evaluations e JOIN models m ON m.id = e.model_id
WHERE m.pipeline = 'dedup' AND (%(model_id)s::text IS NULL AND m.state = 'active' OR m.id = %(model_id)s)
ORDER BY e.created_at DESC, e.id DESC LIMIT 1
"""


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """The latest evaluation of a model: its id, and its figures by window."""

    id: str
    metrics: JsonObject


def answerer(conn: Connection) -> Answerer | None:
    """Return the active model; None: there is none, or dedup is pinned to its fallback."""
    with conn.cursor(row_factory=class_row(Answerer)) as cursor:
        return cursor.execute(_ANSWERER).fetchone()


def applied_thresholds(conn: Connection) -> AppliedThresholds | None:
    """Return the thresholds that a person applied last; None: the policy's count."""
    with conn.cursor(row_factory=class_row(AppliedThresholds)) as cursor:
        return cursor.execute(_THRESHOLDS).fetchone()


def apply_thresholds(
    conn: Connection, *, auto_merge: float, propose: float, evaluation_id: str | None, actor: str, reason: str
) -> None:
    """Let these thresholds count from now on."""
    conn.execute(
        _APPLY,
        {
            "auto_merge": auto_merge,
            "propose": propose,
            "evaluation_id": evaluation_id,
            "actor": actor,
            "reason": reason,
        },
    )


def latest_evaluation(conn: Connection, model_id: str | None = None) -> Evaluated | None:
    """Return the latest evaluation of a model, the active one unless one is named."""
    with conn.cursor(row_factory=class_row(Evaluated)) as cursor:
        return cursor.execute(_EVALUATION, {"model_id": model_id}).fetchone()
