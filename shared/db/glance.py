"""SQL for the home page and the page of models: where every surface stands, in one query that walks indexes only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row

from shared.contracts import JsonObject, Outcome, Verdict


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a surface stands. The candidate is the latest that is newer than the active model; None: there is none.

    The evaluation is the latest of the candidate, or else of the active model. ``active_since`` is when it was made
    active last. ``evaluated_id`` is the model that the verdicts are about.
    """

    pipeline: str
    surface: str
    dataset_id: str | None
    dataset_rows: int | None
    dataset_at: datetime | None
    active_id: str | None
    active_version: str | None
    active_at: datetime | None
    active_since: datetime | None
    active_metrics: JsonObject | None
    candidate_id: str | None
    candidate_version: str | None
    candidate_at: datetime | None
    evaluation_id: str | None
    evaluated_id: str | None
    evaluated_at: datetime | None
    verdicts: tuple[Verdict, ...] | None
    canary_percent: int | None
    canary_model: str | None
    pinned_by: str | None

    def __post_init__(self) -> None:
        found = None if self.verdicts is None else tuple(Verdict.model_validate(v) for v in self.verdicts)
        object.__setattr__(self, "verdicts", found)

    @property
    def outcome(self) -> Outcome | None:
        """What the gates came to: fail where one failed, else insufficient where one cannot tell. None: not asked."""
        if not self.verdicts:
            return None
        found = {verdict.outcome for verdict in self.verdicts}
        return next(each for each in (Outcome.FAIL, Outcome.INSUFFICIENT, Outcome.PASS) if each in found)


@dataclass(frozen=True, kw_only=True)
class ClosedProvider:
    """The latest fine-tune that a provider refused for good, while none of its has succeeded since."""

    provider: str
    pipeline: str
    surface: str
    job_id: str | None
    at: datetime


_STANDING: Final = """
SELECT p.pipeline, p.surface, d.id AS dataset_id, d.row_count AS dataset_rows, d.created_at AS dataset_at,
    a.id AS active_id, a.version AS active_version, a.created_at AS active_at, s.at AS active_since,
    a.metrics AS active_metrics, c.id AS candidate_id, c.version AS candidate_version, c.created_at AS candidate_at,
    e.id AS evaluation_id, e.model_id AS evaluated_id, e.created_at AS evaluated_at, e.verdicts,
    r.percent AS canary_percent, r.model_id AS canary_model, n.actor AS pinned_by
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS p (pipeline, surface, place)
LEFT JOIN LATERAL (SELECT id, row_count, created_at FROM datasets
    WHERE pipeline = p.pipeline AND surface = p.surface ORDER BY created_at DESC LIMIT 1) AS d ON true
LEFT JOIN models AS a ON a.pipeline = p.pipeline AND a.surface = p.surface AND a.state = 'active'
LEFT JOIN LATERAL (SELECT at FROM promotions WHERE to_model = a.id ORDER BY id DESC LIMIT 1) AS s ON true
LEFT JOIN LATERAL (SELECT id, version, created_at FROM models
    WHERE pipeline = p.pipeline AND surface = p.surface AND state = 'candidate' AND (a.id IS NULL OR id > a.id)
    ORDER BY id DESC LIMIT 1) AS c ON true
LEFT JOIN LATERAL (SELECT id, model_id, created_at, verdicts FROM evaluations
    WHERE model_id = coalesce(c.id, a.id) ORDER BY created_at DESC LIMIT 1) AS e ON true
LEFT JOIN canaries AS r ON r.pipeline = p.pipeline AND r.surface = p.surface AND r.ended_at IS NULL
LEFT JOIN pins AS n ON n.pipeline = p.pipeline AND n.surface = p.surface AND n.ended_at IS NULL
ORDER BY p.place
"""

_CLOSED: Final = """
SELECT DISTINCT ON (provider) provider, pipeline, surface, job_id, created_at AS at FROM provider_jobs AS p
WHERE state = 'provider_closed' AND NOT EXISTS (SELECT FROM provider_jobs AS l
    WHERE l.provider = p.provider AND l.state = 'succeeded' AND l.created_at > p.created_at)
ORDER BY provider, created_at DESC LIMIT 10
"""


def standings(conn: Connection, places: Sequence[tuple[str, str]]) -> list[Standing]:
    """Return where surfaces stand, each a pipeline and a surface of it, in the order asked for."""
    with conn.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(_STANDING, [[name for name, _ in places], [name for _, name in places]]).fetchall()


def closed_providers(conn: Connection) -> list[ClosedProvider]:
    """Return the providers that take no fine-tune any more, as far as we have found out."""
    with conn.cursor(row_factory=class_row(ClosedProvider)) as cursor:
        return cursor.execute(_CLOSED).fetchall()
