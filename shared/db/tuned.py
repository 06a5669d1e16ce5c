"""SQL of registered chat models: which one a name means, where to ask for it, and what was held out from it."""

from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class TunedModel:
    """A registered chat model: where to ask for it, and the seed that decided what was held out from it."""

    id: str
    surface: str
    version: str
    provider: str
    provider_model: str
    seed: int


_MODEL: Final[LiteralString] = (
    "SELECT m.id, m.surface, m.version, m.parameters ->> 'provider' AS provider,"
    " m.parameters ->> 'provider_model' AS provider_model, d.seed"
    " FROM models m JOIN datasets d ON d.id = m.dataset_id WHERE m.pipeline = %s AND m.surface = %s "
)
_LATEST: Final[LiteralString] = "ORDER BY m.created_at DESC, m.id DESC LIMIT 1"


def active(conn: Connection, pipeline: str, surface: str) -> TunedModel | None:
    """Return the active model of a surface, if there is one."""
    with conn.cursor(row_factory=class_row(TunedModel)) as cursor:
        return cursor.execute(_MODEL + "AND m.state = 'active'", [pipeline, surface]).fetchone()


def latest(conn: Connection, pipeline: str, surface: str) -> TunedModel | None:
    """Return the model of a surface that was trained last, whatever became of it."""
    with conn.cursor(row_factory=class_row(TunedModel)) as cursor:
        return cursor.execute(_MODEL + _LATEST, [pipeline, surface]).fetchone()


def find(conn: Connection, pipeline: str, surface: str, name: str) -> TunedModel | None:
    """Return the model with this id, version or provider's name; the latest, if the provider's model is there twice."""
    query: LiteralString = _MODEL + "AND %s IN (m.id, m.version, m.parameters ->> 'provider_model') " + _LATEST
    with conn.cursor(row_factory=class_row(TunedModel)) as cursor:
        return cursor.execute(query, [pipeline, surface, name]).fetchone()
