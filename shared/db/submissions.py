"""SQL that writes new jobs: many at once, in one statement, so that concurrent submits share one commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from psycopg import Connection
from psycopg.rows import tuple_row

from shared.contracts import JsonObject
from shared.ids import canonical_json


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job to be written. ``params`` is its JSON; ``idempotency_key`` belongs to the actor alone."""

    id: str
    kind: str
    queue: str
    params: bytes
    actor: str
    max_attempts: int
    unique_key: str | None = None
    parent_id: str | None = None
    position: int | None = None
    idempotency_key: str | None = None

    @property
    def request(self) -> bytes:
        """What two requests under one idempotency key must have in common."""
        return canonical_json([self.kind, self.params.decode()])


# sent_at = now(): whoever submits sends the wake-up right after the commit. If it dies in between, the relay finds a
# queue that is empty although the job waits, and sends it.
_INSERT: Final = """
WITH input AS (
    SELECT * FROM json_to_recordset(%s::json) AS t (
        id text, kind text, queue text, params jsonb, actor text, max_attempts int, unique_key text, parent_id text,
        position int, key text, request text
    )
), keys AS (
    INSERT INTO idempotency_keys (actor, key, request_hash, job_id)
    SELECT actor, key, sha256(convert_to(request, 'UTF8')), id FROM input WHERE key IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING job_id
), created AS (
    INSERT INTO jobs (id, kind, queue, params, actor, max_attempts, unique_key, parent_id, position, sent_at)
    SELECT id, kind, queue, params, actor, max_attempts, unique_key, parent_id, position, now() FROM input
    WHERE key IS NULL OR id IN (SELECT job_id FROM keys)
    ON CONFLICT DO NOTHING
    RETURNING id, created_at
), logged AS (
    INSERT INTO job_events (job_id, attempt, type) SELECT id, 0, 'queued' FROM created
)
SELECT id, created_at FROM created
"""


def insert(conn: Connection, new_jobs: Sequence[NewJob]) -> dict[str, datetime]:
    """Write the jobs whose keys are free; return their ids and when they were created."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        return dict(cursor.execute(_INSERT, [orjson.dumps([_as_json(j) for j in new_jobs]).decode()]).fetchall())


def _as_json(job: NewJob) -> JsonObject:
    row: JsonObject = {
        "id": job.id, "kind": job.kind, "queue": job.queue, "params": orjson.Fragment(job.params), "actor": job.actor,
        "max_attempts": job.max_attempts,
    }  # fmt: skip
    if job.unique_key:
        row["unique_key"] = job.unique_key
    if job.parent_id:
        row |= {"parent_id": job.parent_id, "position": job.position}
    if job.idempotency_key:
        row |= {"key": job.idempotency_key, "request": job.request.decode()}
    return row


def find(conn: Connection, job_ids: Sequence[str]) -> dict[str, datetime]:
    """Return which of these jobs there are, and when they were created."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        return dict(cursor.execute("SELECT id, created_at FROM jobs WHERE id = ANY(%s)", [list(job_ids)]).fetchall())


def idempotent_job(conn: Connection, new_job: NewJob) -> tuple[str, bool] | None:
    """Return the job that this idempotency key stands for, and whether it was the same request."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(
            "SELECT coalesce(job_id, ''), request_hash = sha256(%b) FROM idempotency_keys"
            " WHERE actor = %s AND key = %s",
            [new_job.request, new_job.actor, new_job.idempotency_key],
        ).fetchone()


def release_idempotency_key(conn: Connection, new_job: NewJob) -> None:
    """Give back a key that was taken for a job which another one's unique key then kept out."""
    conn.execute(
        "DELETE FROM idempotency_keys WHERE actor = %s AND key = %s AND job_id = %s",
        [new_job.actor, new_job.idempotency_key, new_job.id],
    )
