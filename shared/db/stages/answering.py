"""SQL of who answers for a stage: its active model, or its rules when there is none or the stage is pinned to them."""

from dataclasses import dataclass
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class Answerer:
    """A stage's active model, and where to ask for it."""

    surface: str
    id: str
    version: str
    provider: str
    provider_model: str


_ANSWERERS: Final = """
SELECT m.surface, m.id, m.version, m.parameters ->> 'provider' AS provider,
       m.parameters ->> 'provider_model' AS provider_model
FROM models m
WHERE m.pipeline = 'stages' AND m.state = 'active'
  AND NOT EXISTS (SELECT FROM pins p
                  WHERE p.pipeline = m.pipeline AND p.surface = m.surface AND p.ended_at IS NULL)
"""


def answerers(conn: Connection) -> dict[str, Answerer]:
    """Return the active models by stage; a stage that is pinned, or has no model, is left out: its rules answer."""
    with conn.cursor(row_factory=class_row(Answerer)) as cursor:
        return {answerer.surface: answerer for answerer in cursor.execute(_ANSWERERS)}
