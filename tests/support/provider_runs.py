"""Runs of ``provider_jobs`` as the life cycle leaves them, for tests of what looks after them."""

from typing import Literal

from psycopg import Connection

from shared import ids
from shared.db import provider_creates, provider_jobs
from shared.db.provider_jobs import NewRun, ProviderJob

UpTo = Literal["preflight", "upload", "creating", "create_unknown", "polling"]


def add_run(
    conn: Connection,
    *,
    server: str,
    up_to: UpTo = "polling",
    job_id: str | None = None,
    provider_job_id: str = "ftjob-1",
    run_id: str | None = None,
    provider: str = "127.0.0.1",
) -> ProviderJob:
    """Begin a run for a job (of the probe's, if none is given) and bring it to a state; return it as it is then."""
    dataset_id = ids.new_id(ids.DATASET)
    conn.execute(
        "INSERT INTO datasets (id, pipeline, surface, manifest, row_count, split_counts, seed)"
        " VALUES (%s, 'probe', 'default', %s, 10, '{}', 1)",
        [dataset_id, "0" * 64],
    )
    new = NewRun(
        id=run_id or ids.new_id(ids.PROVIDER_JOB), job_id=job_id or add_job(conn), request_hash=ids.new_id("hash"),
        pipeline="probe", surface="default", dataset_id=dataset_id, provider=provider, server=server,
        base_model="gpt-6-mini", method="supervised", suffix="probe", seed=None, hyperparameters={}, files={},
        file_sha256="0" * 64, row_count=10, tokens=1000, estimated_usd=0.5,
    )  # fmt: skip
    run = provider_jobs.insert(conn, new)
    if up_to != "preflight":
        run = provider_creates.reserved(conn, new.id)
        run = provider_creates.uploaded(conn, new.id, f"file-{new.id}")
    if up_to in ("creating", "create_unknown", "polling"):
        run = provider_creates.creating(conn, new.id)
    if up_to == "create_unknown":
        run = provider_creates.create_unknown(conn, new.id)
    if up_to == "polling":
        run = provider_creates.adopt(conn, new.id, provider_job_id)
    assert run is not None
    return run


def add_job(conn: Connection, kind: str = "probe.noop") -> str:
    """Add a job that waits for ten minutes, as a fine-tune does; return its id."""
    job_id = ids.new_id(ids.JOB)
    conn.execute(
        "INSERT INTO jobs (id, kind, queue, params, actor, state, max_attempts, run_at)"
        " VALUES (%s, %s, 'finetune', '{}', 'tester', 'waiting', 3, now() + interval '10 minutes')",
        [job_id, kind],
    )
    return job_id
