"""SQL of dedup's fine-tunes and models under the seed's names: which job of a provider became which numbered model."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from shared.contracts import JsonObject


@dataclass(frozen=True, kw_only=True)
class FineTuned:
    """A fine-tune at a provider. ``model_id`` and ``version`` (a number) are set once it is a model of the registry.

    ``flow_id`` is the job that drives it (a flow's, where it has one); ``flow_error`` why that failed.
    """

    run_id: str
    provider: str
    state: str
    provider_status: str | None
    provider_job_id: str | None
    file_id: str | None
    base_model: str
    fine_tuned_model: str | None
    trained_tokens: int | None
    row_count: int
    error: JsonObject | None
    created_at: datetime
    finished_at: datetime | None
    flow_id: str | None
    flow_error: JsonObject | None
    model_id: str | None
    version: int | None


@dataclass(frozen=True, kw_only=True)
class NumberedModel:
    """A model of dedup as the seed counts them: ``version`` from 1, ``metrics`` of its latest evaluation by window."""

    id: str
    version: int
    model_version: str
    provider: str | None
    base_model: str | None
    provider_model: str | None
    fine_tune_job_id: str | None
    is_active: bool
    activated_at: datetime | None
    metrics: JsonObject
    created_at: datetime


_RUNS: Final[LiteralString] = """
SELECT r.id AS run_id, r.provider, r.state, r.provider_status, r.provider_job_id, r.file_id, r.base_model,
       r.fine_tuned_model, r.trained_tokens, r.row_count, r.error, r.created_at, r.finished_at,
       coalesce(j.parent_id, j.id) AS flow_id, coalesce(f.error, j.error) AS flow_error,
       m.id AS model_id, m.version
FROM provider_jobs r
LEFT JOIN jobs j ON j.id = r.job_id
LEFT JOIN jobs f ON f.id = j.parent_id
LEFT JOIN LATERAL (SELECT d.id, d.version FROM deduplication_models d
                   WHERE d.provider_model = r.fine_tuned_model ORDER BY d.version DESC LIMIT 1) m ON true
WHERE r.pipeline = 'dedup' AND """
_LATEST: Final[LiteralString] = " ORDER BY r.id DESC LIMIT 1"
_NEXT: Final = "SELECT coalesce(max(version), 0) + 1 FROM deduplication_models"
_MODELS: Final[LiteralString] = """
SELECT id, version, model_version, provider, base_model, provider_model, fine_tune_job_id, is_active, activated_at,
       metrics, created_at
FROM deduplication_models
"""


def fine_tune_of(conn: Connection, provider_job_id: str) -> FineTuned | None:
    """Return the fine-tune that the provider knows by this id."""
    return _one(conn, _RUNS + "r.provider_job_id = %s" + _LATEST, provider_job_id)


def fine_tune_of_flow(conn: Connection, job_id: str) -> FineTuned | None:
    """Return the fine-tune that a job, or a step of it, drives."""
    return _one(conn, _RUNS + "%s IN (j.id, j.parent_id)" + _LATEST, job_id)


def next_version(conn: Connection) -> int:
    """Return the number that the next model will have."""
    row = conn.execute(_NEXT).fetchone()
    return int(row[0]) if row else 1


def numbered_models(conn: Connection) -> list[NumberedModel]:
    """Return all models, the latest first."""
    with conn.cursor(row_factory=class_row(NumberedModel)) as cursor:
        return cursor.execute(_MODELS + "ORDER BY version DESC").fetchall()


def numbered_model(conn: Connection, model_id: str) -> NumberedModel | None:
    """Return a model by its id."""
    with conn.cursor(row_factory=class_row(NumberedModel)) as cursor:
        return cursor.execute(_MODELS + "WHERE id = %s", [model_id]).fetchone()


def _one(conn: Connection, query: LiteralString, value: str) -> FineTuned | None:
    with conn.cursor(row_factory=class_row(FineTuned)) as cursor:
        return cursor.execute(query, [value]).fetchone()
