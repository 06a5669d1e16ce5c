"""SQL of the table ``provider_jobs``: our fine-tunes at providers, each a run that is paid for once.

Every change names the state it starts from, and changes nothing when another process was there first: the caller learns
so from the missing row. The way up to the provider's job is in ``provider_creates.py``, what the sweep asks over many
runs in ``provider_sweep.py``.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, LiteralString, get_args

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject
from shared.errors import NotFoundError

RunState = Literal[
    "preflight", "upload", "creating", "create_unknown", "polling",
    "succeeded", "failed", "failed_after_training", "cancelled", "provider_closed",
]  # fmt: skip
DEAD: Final = frozenset({"failed", "failed_after_training", "cancelled", "provider_closed"})
"""States that stand in nobody's way: the same request may be made again."""
ENDED: Final = DEAD | {"succeeded"}
OPEN: Final = frozenset(get_args(RunState)) - ENDED


@dataclass(frozen=True, kw_only=True)
class ProviderJob:
    """One row of ``provider_jobs``: see the migration for what each column means. Money is in US dollars."""

    id: str
    job_id: str | None
    request_hash: str
    state: RunState
    pipeline: str
    surface: str
    dataset_id: str
    provider: str
    server: str
    base_model: str
    method: Literal["supervised", "dpo"]
    suffix: str
    seed: int | None
    hyperparameters: JsonObject
    files: JsonObject
    file_sha256: str
    row_count: int
    tokens: int
    estimated_usd: float
    file_id: str | None
    creates: int
    creating_since: datetime | None
    empty_lists: int
    parked_at: datetime | None
    cancel_requested: bool
    provider_job_id: str | None
    provider_status: str | None
    fine_tuned_model: str | None
    trained_tokens: int | None
    cost_usd: float | None
    error: JsonObject | None
    events_at: datetime | None
    last_seen_at: datetime | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether something may still happen to it."""
        return self.state in OPEN


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """What a run is begun with."""

    id: str
    job_id: str
    request_hash: str
    pipeline: str
    surface: str
    dataset_id: str
    provider: str
    server: str
    base_model: str
    method: Literal["supervised", "dpo"]
    suffix: str
    seed: int | None
    hyperparameters: JsonObject
    files: JsonObject
    file_sha256: str
    row_count: int
    tokens: int
    estimated_usd: float


COLUMNS: Final[LiteralString] = """
    id, job_id, request_hash, state, pipeline, surface, dataset_id, provider, server, base_model, method, suffix, seed,
    hyperparameters, files, file_sha256, row_count, tokens, estimated_usd, file_id, creates,
    creating_since, empty_lists, parked_at, cancel_requested, provider_job_id, provider_status, fine_tuned_model,
    trained_tokens, cost_usd, error, events_at, last_seen_at, created_at, finished_at
"""
_SELECT: Final[LiteralString] = "SELECT " + COLUMNS + " FROM provider_jobs "
_ALIVE: Final[LiteralString] = "state IN ('preflight', 'upload', 'creating', 'create_unknown', 'polling', 'succeeded')"


def one(conn: Connection, sql: LiteralString, params: Any) -> ProviderJob | None:
    """Return the run that a statement returns, if any."""
    with conn.cursor(row_factory=class_row(ProviderJob)) as cursor:
        return cursor.execute(sql, params).fetchone()


def _many(conn: Connection, sql: LiteralString, params: Any) -> list[ProviderJob]:
    with conn.cursor(row_factory=class_row(ProviderJob)) as cursor:
        return cursor.execute(sql, params).fetchall()


# --- questions ------------------------------------------------------------------------------------------------------


def get(conn: Connection, run_id: str, *, lock: bool = False) -> ProviderJob:
    """Return a run, locked against other writers if asked. Raises NotFoundError."""
    row = one(conn, _SELECT + "WHERE id = %s" + (" FOR UPDATE" if lock else ""), [run_id])
    if row is None:
        raise NotFoundError(f"there is no fine-tune {run_id}", advice="list them with tuneyard llm doctor --list")
    return row


def alive_of_request(conn: Connection, request_hash: str) -> ProviderJob | None:
    """Lock and return the run that stands for a request: under way, or succeeded."""
    return one(conn, _SELECT + "WHERE request_hash = %s AND " + _ALIVE + " FOR UPDATE", [request_hash])


_OF_JOB: Final[LiteralString] = (
    _SELECT
    + """AS p WHERE job_id = %(job)s AND ("""
    + _ALIVE
    + """ OR NOT cancel_requested AND NOT EXISTS (
        SELECT FROM job_events AS e
        WHERE e.job_id = %(job)s AND e.type IN ('failed', 'cancelled') AND e.at > p.finished_at
    )) ORDER BY id DESC LIMIT 1"""
)


def of_job(conn: Connection, job_id: str) -> ProviderJob | None:
    """Return the run that a job has begun: under way, succeeded, or ended in a way of which the job has not yet failed.

    A worker may die between the end of a run and that of its job: what follows then is the job's failure, not a second
    run. After that failure a retry is a person's wish to pay again.
    """
    return one(conn, _OF_JOB, {"job": job_id})


def by_provider_job(conn: Connection, provider_job_id: str) -> list[ProviderJob]:
    """Return the runs whose job at the provider has this id: one at the most for each server."""
    return _many(conn, _SELECT + "WHERE provider_job_id = %s", [provider_job_id])


def list_runs(
    conn: Connection, *, server: str | None = None, only_open: bool = False, before: str | None = None, limit: int = 50
) -> list[ProviderJob]:
    """Return runs, newest first; ``before`` is the id of the last one on the page before."""
    return _many(
        conn,
        _SELECT + "WHERE (%(server)s::text IS NULL OR server = %(server)s) AND (NOT %(open)s OR finished_at IS NULL)"
        " AND (%(before)s::text IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s",
        {"server": server, "open": only_open, "before": before, "limit": limit},
    )


# --- changes: each returns the row as it is now, or None when the run was not in that state ---------------------------


_INSERT: Final[LiteralString] = (
    """
INSERT INTO provider_jobs (id, job_id, request_hash, pipeline, surface, dataset_id, provider, server, base_model,
    method, suffix, seed, hyperparameters, files, file_sha256, row_count, tokens, estimated_usd)
VALUES (%(id)s, %(job_id)s, %(request_hash)s, %(pipeline)s, %(surface)s, %(dataset_id)s, %(provider)s, %(server)s,
    %(base_model)s, %(method)s, %(suffix)s, %(seed)s, %(hyperparameters)s, %(files)s, %(file_sha256)s, %(row_count)s,
    %(tokens)s, %(estimated_usd)s)
ON CONFLICT DO NOTHING RETURNING """
    + COLUMNS
)


def insert(conn: Connection, new: NewRun) -> ProviderJob | None:
    """Begin a run. None: another run stands for the same request."""
    values = {k: Jsonb(v) if isinstance(v, dict) else v for k, v in vars(new).items()}
    return one(conn, _INSERT, values)


def take_over(conn: Connection, run_id: str, *, job_id: str, present: str | None) -> ProviderJob | None:
    """Let another job drive a run, in the place of ``present``, which has ended."""
    return one(
        conn,
        "UPDATE provider_jobs SET job_id = %s WHERE id = %s AND job_id IS NOT DISTINCT FROM %s"
        " AND NOT cancel_requested RETURNING " + COLUMNS,
        [job_id, run_id, present],
    )


_SEEN: Final[LiteralString] = (
    """
UPDATE provider_jobs SET provider_status = %(status)s, fine_tuned_model = coalesce(%(model)s, fine_tuned_model),
    trained_tokens = coalesce(%(tokens)s, trained_tokens), last_seen_at = now()
WHERE id = %(id)s AND state = 'polling' RETURNING """
    + COLUMNS
)


def seen(conn: Connection, run_id: str, *, status: str, model: str | None, tokens: int | None) -> ProviderJob | None:
    """Note what the provider says of a job that is under way."""
    return one(conn, _SEEN, {"id": run_id, "status": status[:40], "model": model, "tokens": tokens})


_END: Final[LiteralString] = (
    """
UPDATE provider_jobs SET state = %(state)s, error = %(error)s, cost_usd = coalesce(%(cost)s, cost_usd),
    provider_status = coalesce(%(status)s, provider_status), finished_at = now(), parked_at = NULL
WHERE id = %(id)s AND finished_at IS NULL RETURNING """
    + COLUMNS
)


def end(
    conn: Connection,
    run_id: str,
    state: RunState,
    *,
    error: JsonObject | None = None,
    cost_usd: float | None = None,
    status: str | None = None,
) -> ProviderJob | None:
    """End a run. None: it has ended already."""
    return one(
        conn,
        _END,
        {"id": run_id, "state": state, "error": Jsonb(error) if error else None, "cost": cost_usd, "status": status},
    )


def discard(conn: Connection, run_id: str) -> ProviderJob | None:
    """Let a succeeded run stand for its request no longer, as when its model is gone."""
    return one(
        conn,
        "UPDATE provider_jobs SET state = 'cancelled', cancel_requested = true WHERE id = %s AND state = 'succeeded'"
        " RETURNING " + COLUMNS,
        [run_id],
    )
