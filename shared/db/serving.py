"""SQL that tells a serving process which models answer now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class ActiveModel:
    """The model that answers for a surface. ``manifest`` is the SHA-256 that names its artifact."""

    pipeline: str
    surface: str
    id: str
    version: str
    manifest: str


@dataclass(frozen=True, kw_only=True)
class Share:
    """A canary: a model that answers some percent of a surface's inputs."""

    model: ActiveModel
    canary_id: str
    percent: int


@dataclass(frozen=True, kw_only=True)
class Answerers:
    """Who answers now, of all surfaces: active models, canaries, and the surfaces pinned to their fallback."""

    active: Sequence[ActiveModel]
    shares: Sequence[Share]
    pinned: frozenset[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class _Entry:
    role: Literal["active", "canary", "pin"]
    pipeline: str
    surface: str
    id: str
    version: str
    manifest: str
    canary_id: str
    percent: int

    def model(self) -> ActiveModel:
        return ActiveModel(
            pipeline=self.pipeline, surface=self.surface, id=self.id, version=self.version, manifest=self.manifest
        )


# One statement, so that what it says was true at one moment: a handful of rows, read from three partial indexes.
_ANSWERERS: Final = """
SELECT 'active' AS role, pipeline, surface, id, version, manifest, '' AS canary_id, 0 AS percent
FROM models WHERE state = 'active'
UNION ALL
SELECT 'canary', c.pipeline, c.surface, m.id, m.version, m.manifest, c.id, c.percent
FROM canaries c JOIN models m ON m.id = c.model_id WHERE c.ended_at IS NULL
UNION ALL
SELECT 'pin', pipeline, surface, '', '', '', '', 0
FROM pins WHERE ended_at IS NULL
"""


def answerers(conn: Connection) -> Answerers:
    """Return who answers now."""
    with conn.cursor(row_factory=class_row(_Entry)) as cursor:
        found = cursor.execute(_ANSWERERS).fetchall()
    return Answerers(
        active=[entry.model() for entry in found if entry.role == "active"],
        shares=[
            Share(model=entry.model(), canary_id=entry.canary_id, percent=entry.percent)
            for entry in found
            if entry.role == "canary"
        ],
        pinned=frozenset((entry.pipeline, entry.surface) for entry in found if entry.role == "pin"),
    )


def active_models(conn: Connection) -> Sequence[ActiveModel]:
    """Return the active model of every surface that has one."""
    return answerers(conn).active
