"""What a person decides about a run that nobody else can decide: its job is this one, send it again, or give it up.

Every function takes an open transaction, and returns the run as it is then with the wake-ups to send after the commit.
"""

from psycopg import Connection, errors

from shared.db import provider_creates as creates
from shared.db import provider_jobs as rows
from shared.db import provider_sweep
from shared.db.provider_jobs import ProviderJob
from shared.db.provider_sweep import Woken
from shared.errors import ConflictError, RefusedError
from shared.llm import runs

Resolved = tuple[ProviderJob, list[Woken]]


def adopt(conn: Connection, run_id: str, provider_job_id: str) -> Resolved:
    """Say that a job of the provider is this run's. It is asked for at once, so that a wrong id shows.

    Raises NotFoundError, or ConflictError when the run has a job already or the job belongs to another run.
    """
    present = rows.get(conn, run_id, lock=True)
    try:
        with conn.transaction():
            adopted = creates.adopt(conn, run_id, provider_job_id)
    except errors.UniqueViolation:
        raise ConflictError(
            f"{provider_job_id} belongs to another fine-tune", advice="see tuneyard llm doctor"
        ) from None
    return _woken(conn, present, adopted)


def allow_create(conn: Connection, run_id: str) -> Resolved:
    """Let an unclear create be sent again: the person has seen that the provider has no such job.

    Raises NotFoundError, or ConflictError when the run is not in doubt.
    """
    present = rows.get(conn, run_id, lock=True)
    return _woken(conn, present, creates.allow_create(conn, run_id))


def give_up(conn: Connection, run_id: str, actor: str) -> Resolved:
    """End a run here, whatever the provider has; its job fails, and the same request may be made, and paid, again.

    Also for a run whose model was deleted at the provider. Nothing is cancelled there. Raises NotFoundError, or
    ConflictError when the run has failed already.
    """
    present = rows.get(conn, run_id, lock=True)
    if present.state == "succeeded":
        return _woken(conn, present, rows.discard(conn, run_id))
    if not present.is_open:
        return _woken(conn, present, None)
    error = RefusedError(f"given up by {actor}", code="given-up", advice="a new job makes a new fine-tune")
    return _woken(conn, present, runs.give_up(conn, present, "failed", error))


def _woken(conn: Connection, before: ProviderJob, after: ProviderJob | None) -> Resolved:
    if after is None:
        raise ConflictError(
            f"the fine-tune {before.id} is {before.state}: there is nothing of this kind to decide",
            advice="see tuneyard llm doctor",
        )
    return after, provider_sweep.wake(conn, [after.job_id] if after.job_id else [])
