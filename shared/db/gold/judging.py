"""SQL of what gold's models are: which one a name means, what it was trained on, and what it was last tried on."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from shared.db import predictions
from shared.db.gold.offending import AnswerRow, put_answers
from shared.db.predictions import Prediction


@dataclass(frozen=True, kw_only=True)
class TunedModel:
    """A registered model of gold: where to ask for it, and the seed that decided what was held out from it."""

    id: str
    version: str
    provider: str
    provider_model: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class FrozenSet:
    """A dataset of gold."""

    id: str
    manifest: str
    seed: int


_MODEL: Final[LiteralString] = (
    "SELECT m.id, m.version, m.parameters ->> 'provider' AS provider,"
    " m.parameters ->> 'provider_model' AS provider_model, d.seed"
    " FROM models m JOIN datasets d ON d.id = m.dataset_id WHERE m.pipeline = 'gold' AND m.surface = 'default' "
)
_DATASET: Final = """
SELECT id, manifest, seed FROM datasets
WHERE pipeline = 'gold' AND surface = 'default' AND (%(id)s::text IS NULL OR id = %(id)s)
ORDER BY created_at DESC, id DESC LIMIT 1
"""
_LATEST_SMOKE: Final = """
SELECT job_id FROM ml.answers WHERE source = 'smoke' ORDER BY created_at DESC, id DESC LIMIT 1
"""


def active_model(conn: Connection) -> TunedModel | None:
    """Return the active model, if there is one."""
    with conn.cursor(row_factory=class_row(TunedModel)) as cursor:
        return cursor.execute(_MODEL + "AND m.state = 'active'").fetchone()


def latest_model(conn: Connection) -> TunedModel | None:
    """Return the model that was trained last, whatever became of it."""
    with conn.cursor(row_factory=class_row(TunedModel)) as cursor:
        return cursor.execute(_MODEL + "ORDER BY m.created_at DESC, m.id DESC LIMIT 1").fetchone()


def find_model(conn: Connection, name: str) -> TunedModel | None:
    """Return the model with this id, version or provider's name; the latest, if the provider's model is there twice."""
    query: LiteralString = _MODEL + (
        "AND %s IN (m.id, m.version, m.parameters ->> 'provider_model') ORDER BY m.created_at DESC, m.id DESC LIMIT 1"
    )
    with conn.cursor(row_factory=class_row(TunedModel)) as cursor:
        return cursor.execute(query, [name]).fetchone()


def find_dataset(conn: Connection, dataset_id: str | None = None) -> FrozenSet | None:
    """Return a dataset of gold, the latest unless one is named."""
    with conn.cursor(row_factory=class_row(FrozenSet)) as cursor:
        return cursor.execute(_DATASET, {"id": dataset_id}).fetchone()


def latest_smoke_job(conn: Connection) -> str | None:
    """Return the job of the latest smoke test that answered anything."""
    row = conn.execute(_LATEST_SMOKE).fetchone()
    return row[0] if row else None


def log_production(conn: Connection, prediction: Prediction, answer: AnswerRow) -> None:
    """Record an answer that was given, in the log of all predictions and in gold's own."""
    predictions.insert(conn, [prediction])
    put_answers(conn, [answer])


def answered_at(conn: Connection, answer_id: str) -> datetime:
    """Return when an answer was logged. Raises LookupError for an unknown one."""
    row = conn.execute("SELECT created_at AT TIME ZONE 'UTC' FROM ml.answers WHERE id = %s", [answer_id]).fetchone()
    if row is None:
        raise LookupError(f"there is no answer {answer_id}")
    at: datetime = row[0]
    return at.replace(tzinfo=UTC)
