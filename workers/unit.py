"""One unit of work: claim a job, keep its lease alive, run its step, record the end, wake what became ready.

Commits happen here and nowhere below. What if the worker dies? Before the claim: the job is queued, the relay sends it
again. While computing: the lease runs out and the job is rescued. While recording: the transaction is there or not.
After it: the next step is in the ledger, and the relay sends it. Running twice is harmless: the claim lets one through.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from psycopg import Connection
from structlog.contextvars import bound_contextvars

from shared import flows, jobs
from shared.contracts import JobState, JsonObject
from shared.db import attempts
from shared.db.jobs import Job
from shared.db.pool import Database, get_database
from shared.errors import JobCancelled, LeaseLostError, SliceOver, TuneyardError, UnavailableError, WorkerStopping
from shared.pipeline import Done, Next, Step, Wait
from shared.registry import get_step
from shared.settings import get_settings
from workers import dispatch
from workers.attempt import Attempt, heart
from workers.recent import Recent

log = structlog.get_logger()

T = TypeVar("T")

_RECORD_TRIES: Final = 30
_RECORD_PAUSE_S: Final = 2.0
_succeeded = Recent(10_000)  # jobs run together with another: their own messages are still to come
_idle = threading.Event()  # never set: waits on it are pauses that a signal can end


def worker_name() -> str:
    """Return who holds a lease: host and process, for people to find."""
    return f"{socket.gethostname()}:{os.getpid()}"


def run_job(job_id: str, together: int = 1) -> None:
    """Run one job to its next rest. The message is only a wake-up: whoever does not get the claim drops it.

    With ``together`` over 1, due jobs of the same kind are run with it; what they all cost then is two commits.
    """
    if job_id in _succeeded:
        return
    database = get_database()
    lease = timedelta(seconds=get_settings().lease_seconds)
    claimed = _claim(database, job_id, lease, together)
    if not claimed:
        log.debug("dropped: taken, ended or not yet due", job=job_id)
    elif len(claimed) == 1:
        _run_bound(database, claimed[0])
    else:
        _run_together(database, claimed, patience_s=lease.total_seconds() / 3)


def _claim(database: Database, job_id: str, lease: timedelta, together: int) -> list[Job]:
    with database.statement() as conn:
        if together == 1:
            job = attempts.claim(conn, job_id, worker=worker_name(), lease=lease)
            return [job] if job else []
        return attempts.claim_together(conn, job_id, worker=worker_name(), lease=lease, limit=together)


def _run_together(database: Database, claimed: list[Job], patience_s: float) -> None:
    started = time.monotonic()
    finished: list[tuple[Job, str]] = []
    for job in claimed:
        if time.monotonic() - started > patience_s:  # nobody renews their leases: others shall have them
            _record(database, partial(_give_back, job=job))
        else:
            _run_bound(database, job, finished)
    if not finished:
        return
    recorded = _record(database, lambda conn: attempts.succeed_together(conn, finished), one_statement=True)
    if len(recorded) < len(finished):
        log.warning("another attempt owns some jobs", count=len(finished) - len(recorded))
    _succeeded.note(recorded)


def _run_bound(database: Database, job: Job, finished: list[tuple[Job, str]] | None = None) -> None:
    with bound_contextvars(job=job.id, step=job.kind, attempt=job.attempt):
        log.info("running")
        _run(database, job, finished)


def _run(database: Database, job: Job, finished: list[tuple[Job, str]] | None = None) -> None:
    """Run a claimed job. A success that is one statement to record is left to the caller in ``finished``, if given."""
    try:
        step = get_step(job.kind)
        if step.flow is not None:
            ready = _record(database, lambda conn: flows.start(conn, job))
        else:
            ready = _record_outcome(database, job, _compute(database, job, step), finished)
    except LeaseLostError as lost:
        log.warning("stopped: another attempt owns the job", reason=lost.message)
    except JobCancelled:
        _record(database, lambda conn: _cancelled(conn, job))
        log.info("cancelled")
    except SliceOver:
        _record(database, partial(_give_back, job=job, text="goes on in a new attempt"))
        dispatch.send_or_leave(database, [dispatch.wake_up(job)])
    except WorkerStopping:
        _record(database, lambda conn: _give_back(conn, job))
        log.info("given back: the worker stops")
    except Exception as error:  # noqa: BLE001  (whatever a step raises ends its attempt, not the worker)
        _record_failure(database, job, error)
    else:
        dispatch.send_or_leave(database, [dispatch.wake_up(j) for j in ready])


def _compute(database: Database, job: Job, step: Step[Any]) -> Done | Wait | Next:
    if step.run is None:
        raise TypeError(f"step {step.kind} has neither run nor flow")
    params = step.params.model_validate(job.params)
    with Attempt(database, job, step.slice) as attempt, heart().watch(attempt):
        outcome = step.run(attempt, params)
        attempt.check()
    return outcome


def _record_outcome(
    database: Database, job: Job, outcome: Done | Wait | Next, finished: list[tuple[Job, str]] | None
) -> list[Job]:
    if isinstance(outcome, Next):
        wanted = outcome
        ready = _record(database, lambda conn: flows.first(conn, job, wanted))
        log.info("waiting", reason=f"for {wanted.kind}")
        return ready
    if isinstance(outcome, Wait):
        waits = outcome
        _record(database, partial(_wait, job=job, waits=waits))
        log.info("waiting", reason=outcome.reason)
        return []
    done = outcome
    alone = done.record is None and job.parent_id is None  # then recording it is one statement
    if alone and finished is not None:
        finished.append((job, done.result.model_dump_json()))
        return []
    ready = _record(database, lambda conn: flows.succeed(conn, job, done), one_statement=alone)
    log.info("succeeded")
    return ready


def _record(database: Database, write: Callable[[Connection], T], *, one_statement: bool = False) -> T:
    """Write in one transaction, trying again while the database is away: hours of training hang on it.

    Trying again is safe: every write is guarded by the attempt, so one that did commit is not made twice.
    """
    begin = database.statement if one_statement else database.transaction
    for _ in range(_RECORD_TRIES):
        try:
            with begin() as conn:
                return write(conn)
        except UnavailableError as error:
            log.warning("the database is away: trying again to record", reason=error.message)
            _idle.wait(_RECORD_PAUSE_S)
    with begin() as conn:
        return write(conn)


def _record_failure(database: Database, job: Job, error: Exception) -> None:
    described = _describe(error)
    log.warning("failed", code=described["code"], exc_info=not isinstance(error, TuneyardError))
    retryable = error.retryable if isinstance(error, TuneyardError) else True
    delay = get_step(job.kind).retry.delay(job.failures + 1, job.id) if retryable else None

    def write(conn: Connection) -> None:
        if delay is None or job.failures + 1 >= job.max_attempts:
            if job.parent_id:
                jobs.lock(conn, job.parent_id)
            jobs.fail(conn, job, described)
        else:
            text = f"{described['message']} (tried again in {delay.total_seconds():.0f} s)"
            rested = attempts.requeue(conn, job.id, job.attempt, event="retry", text=text, after=delay, error=described)
            jobs.heed_cancel(conn, rested)

    _record(database, write)


def _describe(error: Exception) -> JsonObject:
    """Turn an error into what the ledger keeps. An unforeseen one is named by its type: its text may hold user data."""
    if isinstance(error, TuneyardError):
        return error.as_dict()
    if isinstance(error, SoftTimeLimitExceeded):
        return {"code": "time-limit", "message": "the step ran longer than its time limit"}
    return {
        "code": "internal",
        "message": f"the step raised {type(error).__name__}",
        "advice": "the worker's log has the details under this job's id",
    }


def _cancelled(conn: Connection, job: Job) -> None:
    if job.parent_id:
        jobs.lock(conn, job.parent_id)
    ended = attempts.end(conn, job.id, job.attempt, state=JobState.CANCELLED, text="cancelled while running")
    if ended:
        jobs.end_parents(conn, ended, JobState.CANCELLED, f"step {job.kind} was cancelled")


def _give_back(conn: Connection, job: Job, text: str = "the worker was stopped") -> None:
    rested = attempts.requeue(conn, job.id, job.attempt, event="queued", text=text, after=timedelta(0), error=None)
    jobs.heed_cancel(conn, rested)


def _wait(conn: Connection, job: Job, waits: Wait) -> None:
    rested = attempts.wait(conn, job.id, job.attempt, after=waits.after, reason=waits.reason)
    jobs.heed_cancel(conn, rested)
