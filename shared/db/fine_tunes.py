"""SQL of the table ``fine_tunes``: fine-tuning jobs of our OpenAI-compatible API, and the models they made.

A fine-tune is read together with its Tuneyard job, whose state is the only one it has.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JobState, JsonObject
from shared.db.events import Event
from shared.errors import NotFoundError


@dataclass(frozen=True, kw_only=True)
class FineTuneRow:
    """One row of ``fine_tunes``, with what its job says: state, error, progress (0 to 1), attempt and end."""

    id: str
    job_id: str
    actor: str
    base_model: str
    method: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int
    hyperparameters: JsonObject
    metadata: dict[str, str] | None
    paused: bool
    validated_at: datetime | None
    model_id: str | None
    fine_tuned_model: str | None
    model_deleted_at: datetime | None
    trained_tokens: int | None
    final_metrics: JsonObject | None
    result_file: str | None
    created_at: datetime
    state: JobState
    error: JsonObject | None
    progress: float
    attempt: int
    finished_at: datetime | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", JobState(self.state))


@dataclass(frozen=True, kw_only=True)
class FineTunedModel:
    """A model that our own trainer made. ``name`` is what completions ask for, ``manifest`` its artifact."""

    name: str
    model_id: str
    manifest: str
    base_model: str
    created_at: datetime


_SELECT: Final[LiteralString] = """
SELECT f.id, f.job_id, f.actor, base_model, method, training_file, validation_file, suffix, seed, hyperparameters,
    metadata, paused, validated_at, model_id, fine_tuned_model, model_deleted_at, trained_tokens, final_metrics,
    result_file, f.created_at, state, error, progress, attempt, finished_at
FROM fine_tunes f JOIN jobs ON jobs.id = f.job_id
"""

_INSERT: Final = """
INSERT INTO fine_tunes (id, job_id, actor, base_model, method, training_file, validation_file, suffix, seed,
    hyperparameters, metadata)
VALUES (%(id)s, %(job_id)s, %(actor)s, %(base_model)s, %(method)s, %(training_file)s, %(validation_file)s,
    %(suffix)s, %(seed)s, %(hyperparameters)s, %(metadata)s)
"""


def insert(
    conn: Connection,
    *,
    fine_tune_id: str,
    job_id: str,
    actor: str,
    base_model: str,
    method: str,
    training_file: str,
    validation_file: str | None,
    suffix: str | None,
    seed: int,
    hyperparameters: JsonObject,
    metadata: dict[str, str] | None,
) -> None:
    """Record what was asked for, beside the job that will do it (written in the same transaction)."""
    values: dict[str, Any] = {
        "id": fine_tune_id, "job_id": job_id, "actor": actor, "base_model": base_model, "method": method,
        "training_file": training_file, "validation_file": validation_file, "suffix": suffix, "seed": seed,
        "hyperparameters": Jsonb(hyperparameters), "metadata": None if metadata is None else Jsonb(metadata),
    }  # fmt: skip
    conn.execute(_INSERT, values)


def get(conn: Connection, fine_tune_id: str) -> FineTuneRow:
    """Return one fine-tune. Raises NotFoundError."""
    with conn.cursor(row_factory=class_row(FineTuneRow)) as cursor:
        row = cursor.execute(_SELECT + "WHERE f.id = %s", [fine_tune_id]).fetchone()
    if row is None:
        raise NotFoundError(
            f"there is no fine-tuning job {fine_tune_id}",
            code="fine-tune-not-found",
            advice="list the fine-tuning jobs",
            param="fine_tuning_job_id",
        )
    return row


_LIST: Final[LiteralString] = (
    _SELECT + "WHERE (%(after)s::text IS NULL OR f.id < %(after)s)"
    " AND (%(metadata)s::jsonb IS NULL OR metadata @> %(metadata)s)"
    " AND (NOT %(no_metadata)s OR metadata IS NULL) ORDER BY f.id DESC LIMIT %(limit)s"
)


def list_fine_tunes(
    conn: Connection, *, metadata: dict[str, str] | None, no_metadata: bool, after: str | None, limit: int
) -> list[FineTuneRow]:
    """Return fine-tunes, newest first: all, those whose metadata hold these pairs, or those that have none."""
    filters = {
        "metadata": Jsonb(metadata) if metadata else None, "no_metadata": no_metadata, "after": after, "limit": limit,
    }  # fmt: skip
    with conn.cursor(row_factory=class_row(FineTuneRow)) as cursor:
        return cursor.execute(_LIST, filters).fetchall()


# --- running --------------------------------------------------------------------------------------------------------


def set_paused(conn: Connection, fine_tune_id: str, *, paused: bool) -> None:
    """Note whether a fine-tune shall rest. Its step looks when it starts, and while it trains."""
    conn.execute("UPDATE fine_tunes SET paused = %s WHERE id = %s", [paused, fine_tune_id])


def is_paused(conn: Connection, fine_tune_id: str) -> bool:
    """Whether a fine-tune shall rest."""
    row = conn.execute("SELECT paused FROM fine_tunes WHERE id = %s", [fine_tune_id]).fetchone()
    return row is not None and bool(row[0])


def set_validated(conn: Connection, fine_tune_id: str) -> None:
    """Note that the files were found good."""
    conn.execute("UPDATE fine_tunes SET validated_at = coalesce(validated_at, now()) WHERE id = %s", [fine_tune_id])


_FINISH: Final = """
UPDATE fine_tunes SET model_id = %(model_id)s, fine_tuned_model = %(name)s, trained_tokens = %(tokens)s,
    final_metrics = %(metrics)s, result_file = %(result_file)s
WHERE id = %(id)s
"""


def finish(
    conn: Connection,
    fine_tune_id: str,
    *,
    model_id: str,
    name: str,
    trained_tokens: int,
    final_metrics: JsonObject,
    result_file: str,
) -> None:
    """Record what a fine-tune made, in the transaction that registers the model."""
    values: dict[str, Any] = {
        "id": fine_tune_id, "model_id": model_id, "name": name, "tokens": trained_tokens,
        "metrics": Jsonb(final_metrics), "result_file": result_file,
    }  # fmt: skip
    conn.execute(_FINISH, values)


_EVENTS: Final = """
SELECT job_id, seq, attempt, type, message, data, at FROM job_events
WHERE job_id = %s AND (%s::bigint IS NULL OR seq < %s) ORDER BY seq DESC LIMIT %s
"""


def events(conn: Connection, job_id: str, *, before_seq: int | None, limit: int) -> list[Event]:
    """Return a job's events, the latest first, as OpenAI lists them; ``before_seq`` ends the page before."""
    with conn.cursor(row_factory=class_row(Event)) as cursor:
        return cursor.execute(_EVENTS, [job_id, before_seq, before_seq, limit]).fetchall()


# --- models ---------------------------------------------------------------------------------------------------------

_MODELS: Final[LiteralString] = (
    "SELECT fine_tuned_model AS name, model_id, manifest, base_model, models.created_at"
    " FROM fine_tunes JOIN models ON models.id = model_id WHERE model_deleted_at IS NULL "
)


def find_model(conn: Connection, name: str) -> FineTunedModel | None:
    """Return the model with this name (``ft:…``), unless it was deleted."""
    with conn.cursor(row_factory=class_row(FineTunedModel)) as cursor:
        return cursor.execute(_MODELS + "AND fine_tuned_model = %s", [name]).fetchone()


def list_models(conn: Connection) -> list[FineTunedModel]:
    """Return all models that our own trainer made, the newest first."""
    with conn.cursor(row_factory=class_row(FineTunedModel)) as cursor:
        return cursor.execute(_MODELS + "ORDER BY model_id DESC").fetchall()


_USED_BY: Final = """
SELECT pipeline || '/' || surface || ' ' || version FROM models
WHERE state = 'active' AND parameters ->> 'provider' = %s AND parameters ->> 'provider_model' = %s ORDER BY 1
"""


def active_users(conn: Connection, provider: str, name: str) -> list[str]:
    """Return which active models of pipelines answer by this provider's model: surface and version, for people."""
    return [row[0] for row in conn.execute(_USED_BY, [provider, name])]


def delete_model(conn: Connection, name: str) -> bool:
    """Let a model answer no more; False: there was none. Its row in the registry stays, for lineage."""
    sql = "UPDATE fine_tunes SET model_deleted_at = now() WHERE fine_tuned_model = %s AND model_deleted_at IS NULL"
    return conn.execute(sql, [name]).rowcount == 1
