"""The job ledger: submit, cancel, retry, rescue. The one place that knows what a change of state entails.

Every function takes an open transaction and leaves the commit to its caller. What a flow does next is decided in the
same transaction that records the end of its step (``shared/flows.py``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection, errors
from pydantic import BaseModel

from shared import ids
from shared.contracts import JobState, JsonObject
from shared.db import attempts, submissions, sweeping
from shared.db import events as event_rows
from shared.db import jobs as rows
from shared.db.events import Event
from shared.db.jobs import Job
from shared.db.submissions import NewJob
from shared.errors import ConflictError, NotFoundError
from shared.pipeline import Step

__all__ = [
    "Event", "Job", "NewJob", "Submission", "cancel", "events", "get", "lock", "new_job", "retry", "submit",
    "submit_again",
]  # fmt: skip

_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What became of one submit: the job that now stands for it, and whether it was created just now.

    ``created_at`` is set when it was. ``conflict`` is None, ``unique-key`` (job_id names the one that is in the way) or
    ``idempotency-key`` (the key was used for another request).
    """

    job_id: str
    created: bool
    created_at: datetime | None = None
    conflict: str | None = None


def new_job(
    step: Step[Any],
    params: BaseModel,
    *,
    actor: str,
    unique_key: str | None = None,
    idempotency_key: str | None = None,
    parent: Job | None = None,
    position: int | None = None,
) -> NewJob:
    """Describe a job for a step. The unique key is the step's own unless one is given."""
    return NewJob(
        id=ids.new_id(ids.JOB),
        kind=step.kind,
        queue=step.queue.value,
        params=params.model_dump_json().encode(),
        actor=actor,
        max_attempts=step.retry.max_attempts,
        unique_key=unique_key or (step.unique_key(params) if step.unique_key else None),
        idempotency_key=idempotency_key,
        parent_id=parent.id if parent else None,
        position=position,
    )


def submit(conn: Connection, new_jobs: Sequence[NewJob]) -> list[Submission]:
    """Write jobs, as many as come, in one statement. A key that is taken is an answer, not an error.

    Send a wake-up for those created after the commit.
    """
    return _account(conn, new_jobs, submissions.insert(conn, new_jobs))


def submit_again(conn: Connection, new_jobs: Sequence[NewJob]) -> list[Submission]:
    """Write jobs whose first submit broke off, maybe after its commit: those that are there are not written twice."""
    created = submissions.find(conn, [job.id for job in new_jobs])
    missing = [job for job in new_jobs if job.id not in created]
    return _account(conn, new_jobs, created | submissions.insert(conn, missing))


def _account(conn: Connection, new_jobs: Sequence[NewJob], created: Mapping[str, datetime]) -> list[Submission]:
    return [
        Submission(job_id=job.id, created=True, created_at=created[job.id])
        if job.id in created
        else _explain(conn, job)
        for job in new_jobs
    ]


def _explain(conn: Connection, job: NewJob) -> Submission:
    """Say why a job was not created; try again if what stood in its way has just gone."""
    for _ in range(_TRIES):
        if job.idempotency_key:
            known = submissions.idempotent_job(conn, job)
            if known and known[0] != job.id:
                existing, same = known
                return Submission(job_id=existing, created=False, conflict=None if same else "idempotency-key")
        if job.unique_key and (active := rows.active_with_unique_key(conn, job.unique_key)):
            submissions.release_idempotency_key(conn, job)
            return Submission(job_id=active, created=False, conflict="unique-key")
        submissions.release_idempotency_key(conn, job)
        if created := submissions.insert(conn, [job]):
            return Submission(job_id=job.id, created=True, created_at=created[job.id])
    raise ConflictError(f"could not submit {job.kind}: its keys are being taken by others", advice="try again")


def get(conn: Connection, job_id: str) -> Job:
    """Return a job. Raises NotFoundError."""
    job = rows.get(conn, job_id)
    if job is None:
        raise NotFoundError(f"there is no job {job_id}", advice="list jobs with GET /v1/jobs")
    return job


def lock(conn: Connection, job_id: str) -> Job:
    """Lock a job against other writers, after the flows above it: from the top down, so that none deadlock.

    Raises NotFoundError.
    """
    job = get(conn, job_id)
    if job.parent_id:
        lock(conn, job.parent_id)
    return rows.get(conn, job_id, lock=True) or job


def events(conn: Connection, job_ids: Sequence[str], after_seq: int = 0, limit: int = 1000) -> list[Event]:
    """Return the events of jobs after a sequence number, in order."""
    return event_rows.after(conn, job_ids, after_seq, limit)


def cancel(conn: Connection, job_id: str, actor: str) -> Job:
    """Cancel a job in whatever state it is; no worker is needed unless one is running it.

    At rest it is cancelled now, together with the flow it belongs to and the steps under it; running, it is asked to
    stop, and stops at its next report or when its lease runs out. Raises ConflictError when it has ended already.
    """
    job = lock(conn, job_id)
    if job.is_final:
        raise ConflictError(f"job {job_id} has already {job.state}", advice="there is nothing to cancel")
    changed = rows.cancel(conn, job_id, f"cancelled by {actor}") or job
    for child in rows.children(conn, job_id):
        if not child.is_final:
            cancel(conn, child.id, actor)
    if changed.state is JobState.CANCELLED and changed.parent_id:
        end_parents(conn, changed, JobState.CANCELLED, f"step {changed.kind} was cancelled")
    return changed


def heed_cancel(conn: Connection, rested: Job | None) -> Job | None:
    """Cancel a job that has just come to rest if that was asked for while it ran; nobody would look again."""
    if rested is None or not rested.cancel_requested:
        return rested
    return cancel(conn, rested.id, "a request made while it ran")


def end_parents(conn: Connection, job: Job, state: JobState, text: str, error: JsonObject | None = None) -> None:
    """End the flows above a job that failed or was cancelled, in the same way."""
    while job.parent_id:
        parent = rows.end_flow(conn, job.parent_id, state=state, text=text, error=error)
        if parent is None:  # it has ended already
            return
        job = parent


def retry(conn: Connection, job_id: str, actor: str) -> list[Job]:
    """Queue a failed or cancelled job again with all its attempts; return the jobs that are now queued.

    A flow goes on at the step where it ended, and a step revives the flow above it. Raises ConflictError when the job
    has not failed or when another job now holds its unique key.
    """
    job = lock(conn, job_id)
    if job.state not in (JobState.FAILED, JobState.CANCELLED):
        raise ConflictError(f"job {job_id} is {job.state}", advice="only a failed or cancelled job can be retried")
    text = f"retried by {actor}"
    steps = rows.children(conn, job_id)
    broken = [step for step in steps if step.state in (JobState.FAILED, JobState.CANCELLED)]
    try:
        with conn.transaction():
            if broken:
                return retry(conn, broken[-1].id, actor)
            revived = rows.revive(conn, job_id, state=JobState.QUEUED, text=text)
            _revive_parents(conn, job, text)
    except errors.UniqueViolation as error:
        raise ConflictError(
            f"another job that must not run together with {job_id} is under way", advice="wait until it ends"
        ) from error
    return [revived] if revived else []


def _revive_parents(conn: Connection, job: Job, text: str) -> None:
    parent_id = job.parent_id
    while parent_id:
        parent = get(conn, parent_id)
        rows.revive(conn, parent_id, state=JobState.WAITING, text=text)
        parent_id = parent.parent_id


def rescue(conn: Connection, limit: int = 100) -> list[Job]:
    """Take running jobs whose lease ran out from whoever held them: queued again, or ended. Returns them.

    Compare-and-set on the attempt keeps a rescuer from overwriting a job that has just ended (river#1302).
    """
    rescued = []
    for job in sweeping.expired(conn, limit):
        changed = _rescue_one(conn, job)
        if changed:
            rescued.append(changed)
    return rescued


def _rescue_one(conn: Connection, job: Job) -> Job | None:
    lost = {"code": "worker-lost", "message": f"attempt {job.attempt} was not heard of: its worker died or hung"}
    if job.cancel_requested:
        ended = attempts.end(conn, job.id, job.attempt, state=JobState.CANCELLED, text="cancelled; its worker was lost")
        if ended:
            end_parents(conn, ended, JobState.CANCELLED, f"step {job.kind} was cancelled")
        return ended
    if job.failures + 1 >= job.max_attempts:
        return fail(conn, job, lost)
    return attempts.requeue(
        conn, job.id, job.attempt, event="rescued", text=str(lost["message"]), after=timedelta(0), error=lost
    )


def fail(conn: Connection, job: Job, error: JsonObject) -> Job | None:
    """End a running job, and the flows above it, as failed. None: the attempt has lost the job."""
    text = str(error.get("message", ""))
    ended = attempts.end(conn, job.id, job.attempt, state=JobState.FAILED, text=text, error=error)
    if ended:
        end_parents(conn, ended, JobState.FAILED, f"step {job.kind} failed: {text}", error)
    return ended


def list_jobs(conn: Connection, **filters: Any) -> list[Job]:
    """Return jobs, newest first; for the filters see ``shared/db/jobs.py``."""
    return rows.list_jobs(conn, **filters)
