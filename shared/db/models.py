"""SQL of the table ``models``: what was trained, from what, how well it does, and which one is active."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject, ModelState
from shared.errors import NotFoundError


@dataclass(frozen=True, kw_only=True)
class Model:
    """One row of ``models``. ``manifest`` names the artifact and is the model's hash; ``card`` names the model card.

    ``metrics`` has an entry for each window of the latest evaluation, and ``train`` with what training itself said.
    """

    id: str
    pipeline: str
    surface: str
    version: str
    state: ModelState
    manifest: str
    dataset_id: str
    job_id: str | None
    parameters: JsonObject
    libraries: dict[str, str]
    metrics: JsonObject
    card: str | None
    created_at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", ModelState(self.state))


_COLUMNS: Final[LiteralString] = (
    "id, pipeline, surface, version, state, manifest, dataset_id, job_id, parameters, libraries, metrics, card,"
    " created_at"
)
_SELECT: Final[LiteralString] = "SELECT " + _COLUMNS + " FROM models "

# The version is the second of registration; the second model of one second gets _2. The caller holds the surface.
_INSERT: Final[LiteralString] = (
    """
INSERT INTO models (id, pipeline, surface, version, manifest, dataset_id, job_id, parameters, libraries, metrics)
SELECT %(id)s, %(pipeline)s, %(surface)s, base || CASE WHEN taken = 0 THEN '' ELSE '_' || taken + 1 END,
    %(manifest)s, %(dataset_id)s, %(job_id)s, %(parameters)s, %(libraries)s, %(metrics)s
FROM to_char(now() AT TIME ZONE 'UTC', '"v"YYYYMMDD_HH24MISS') AS base,
    LATERAL (SELECT count(*) AS taken FROM models WHERE pipeline = %(pipeline)s AND surface = %(surface)s
             AND (version = base OR starts_with(version, base || '_'))) AS clashes
RETURNING """
    + _COLUMNS
)


def lock_surface(conn: Connection, pipeline: str, surface: str) -> None:
    """Hold a surface until the transaction ends: whoever changes its models waits for whoever does so now."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"surface:{pipeline}/{surface}"])


def insert(
    conn: Connection,
    *,
    model_id: str,
    pipeline: str,
    surface: str,
    manifest: str,
    dataset_id: str,
    job_id: str | None,
    parameters: JsonObject,
    libraries: dict[str, str],
    metrics: JsonObject,
) -> Model:
    """Record a candidate and give it its version. Hold the surface (``lock_surface``) meanwhile."""
    values = {
        "id": model_id, "pipeline": pipeline, "surface": surface, "manifest": manifest, "dataset_id": dataset_id,
        "job_id": job_id, "parameters": Jsonb(parameters), "libraries": Jsonb(libraries), "metrics": Jsonb(metrics),
    }  # fmt: skip
    with conn.cursor(row_factory=class_row(Model)) as cursor:
        row = cursor.execute(_INSERT, values).fetchone()
    if row is None:
        raise RuntimeError("INSERT … RETURNING returned no row")
    return row


def get(conn: Connection, model_id: str) -> Model:
    """Return one model. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(Model)) as cursor:
        row = cursor.execute(_SELECT + "WHERE id = %s", [model_id]).fetchone()
    if row is None:
        raise NotFoundError(f"there is no model {model_id}", advice="list models with GET /v1/models")
    return row


def active(conn: Connection, pipeline: str, surface: str) -> Model | None:
    """Return the model that is active for a surface, if any."""
    with conn.cursor(row_factory=class_row(Model)) as cursor:
        return cursor.execute(
            _SELECT + "WHERE pipeline = %s AND surface = %s AND state = 'active'", [pipeline, surface]
        ).fetchone()


def find(conn: Connection, pipeline: str, surface: str, name: str) -> Model | None:
    """Return a surface's model of this version or provider's name; the latest, if the latter is there twice."""
    with conn.cursor(row_factory=class_row(Model)) as cursor:
        return cursor.execute(
            _SELECT + "WHERE pipeline = %s AND surface = %s AND %s IN (version, parameters ->> 'provider_model')"
            " ORDER BY created_at DESC, id DESC LIMIT 1",
            [pipeline, surface, name],
        ).fetchone()


def list_models(
    conn: Connection,
    *,
    pipeline: str | None = None,
    surface: str | None = None,
    state: str | None = None,
    dataset_id: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Model]:
    """Return models, newest first; ``before`` is the id of the last one on the page before."""
    filters: dict[LiteralString, str | None] = {
        "pipeline = %s": pipeline,
        "surface = %s": surface,
        "state = %s": state,
        "dataset_id = %s": dataset_id,
        "id < %s": before,
    }
    given = {condition: value for condition, value in filters.items() if value is not None}
    where: LiteralString = " AND ".join(given) or "true"
    with conn.cursor(row_factory=class_row(Model)) as cursor:
        return cursor.execute(
            _SELECT + "WHERE " + where + " ORDER BY id DESC LIMIT %s", [*given.values(), limit]
        ).fetchall()


def set_state(conn: Connection, model_id: str, state: ModelState) -> None:
    """Change a model's state. Retire the active model before another becomes active: the index allows only one."""
    conn.execute("UPDATE models SET state = %s WHERE id = %s", [state.value, model_id])


def set_evaluated(conn: Connection, model_id: str, *, metrics: JsonObject, card: str) -> None:
    """Put the figures of a new evaluation in the place of earlier ones, with the card that shows them."""
    conn.execute("UPDATE models SET metrics = metrics || %s, card = %s WHERE id = %s", [Jsonb(metrics), card, model_id])


def set_card(conn: Connection, model_id: str, card: str) -> None:
    """Give a model a new card: the hash of its artifact."""
    conn.execute("UPDATE models SET card = %s WHERE id = %s", [card, model_id])
