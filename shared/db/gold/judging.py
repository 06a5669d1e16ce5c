"""SQL of what gold's models are: which one a name means, what it was trained on, and what it was last tried on."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row

from shared.db import tuned
from shared.db.tuned import TunedModel


@dataclass(frozen=True, kw_only=True)
class FrozenSet:
    """A dataset of gold."""

    id: str
    manifest: str
    seed: int


_PIPELINE: Final = "gold"
_SURFACE: Final = "default"
_DATASET: Final = """
SELECT id, manifest, seed FROM datasets
WHERE pipeline = 'gold' AND surface = 'default' AND (%(id)s::text IS NULL OR id = %(id)s)
ORDER BY created_at DESC, id DESC LIMIT 1
"""
_LATEST_SMOKE: Final = """
SELECT job_id FROM ml.answers WHERE source = 'smoke' ORDER BY created_at DESC, id DESC LIMIT 1
"""


def latest_model(conn: Connection) -> TunedModel | None:
    """Return the model that was trained last, whatever became of it."""
    return tuned.latest(conn, _PIPELINE, _SURFACE)


def find_model(conn: Connection, name: str) -> TunedModel | None:
    """Return the model with this id, version or provider's name; the latest, if the provider's model is there twice."""
    return tuned.find(conn, _PIPELINE, _SURFACE, name)


def find_dataset(conn: Connection, dataset_id: str | None = None) -> FrozenSet | None:
    """Return a dataset of gold, the latest unless one is named."""
    with conn.cursor(row_factory=class_row(FrozenSet)) as cursor:
        return cursor.execute(_DATASET, {"id": dataset_id}).fetchone()


def latest_smoke_job(conn: Connection) -> str | None:
    """Return the job of the latest smoke test that answered anything."""
    row = conn.execute(_LATEST_SMOKE).fetchone()
    return row[0] if row else None


def answered_at(conn: Connection, answer_id: str) -> datetime:
    """Return when an answer was logged. Raises LookupError for an unknown one."""
    row = conn.execute("SELECT created_at AT TIME ZONE 'UTC' FROM ml.answers WHERE id = %s", [answer_id]).fetchone()
    if row is None:
        raise LookupError(f"there is no answer {answer_id}")
    at: datetime = row[0]
    return at.replace(tzinfo=UTC)
