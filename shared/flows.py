"""Flows: steps that follow each other, as one job with children; and steps that need another one first.

A flow is a pure decision, ``flow(params, steps done so far) -> Next | Done``. It is asked when the flow is claimed and
again at the end of each of its steps, inside the transaction that records that end: the next step is written with it,
or neither is.
"""

from collections.abc import Sequence

from psycopg import Connection
from pydantic import BaseModel

from shared import jobs
from shared.contracts import JobState, JsonObject
from shared.db import attempts
from shared.db import jobs as rows
from shared.db.jobs import Job
from shared.errors import ConflictError, LeaseLostError, TuneyardError
from shared.pipeline import Done, Next, StepDone
from shared.registry import get_step


def succeed(conn: Connection, job: Job, done: Done) -> list[Job]:
    """Record the success of an attempt, write its effects, and go on with the flow above it.

    All in the caller's transaction. Returns the jobs to wake up after the commit. Raises LeaseLostError when another
    attempt has taken over: nothing may be committed then.
    """
    if job.parent_id:
        jobs.lock(conn, job.parent_id)
    result = done.result
    if done.record:
        # held from here on, so that no other attempt can write beside this one
        held = jobs.lock(conn, job.id)
        if (held.state, held.attempt) != (JobState.RUNNING, job.attempt):
            raise _lease_lost(job)
        result = done.record(conn) or result
    ended = attempts.succeed(conn, job.id, job.attempt, _as_json(result))
    if ended is None:
        raise _lease_lost(job)
    return _advance(conn, ended.parent_id) if ended.parent_id else []


def start(conn: Connection, job: Job) -> list[Job]:
    """Let a claimed flow write its first step, or the one after those already done if it was retried.

    Returns the jobs to wake up after the commit. Raises ConflictError when that step is under way elsewhere.
    """
    step = get_step(job.kind)
    if step.flow is None:
        raise TypeError(f"{job.kind} is not a flow")
    steps = rows.children(conn, job.id)
    last = steps[-1] if steps else None
    if last and last.state is not JobState.SUCCEEDED:
        return _resume(conn, job, last)
    decision = step.flow(step.params.model_validate(job.params), _done(steps))
    if isinstance(decision, Done):
        return succeed(conn, job, decision)
    if _wait_for(conn, job, decision.kind).is_final:
        return []
    return [_write_child(conn, job, decision, len(steps))]


def first(conn: Connection, job: Job, wanted: Next) -> list[Job]:
    """Write the step that a running one needs first; its job waits, and is run again when that step has succeeded.

    Returns the jobs to wake up after the commit. Raises ConflictError when that step is under way elsewhere.
    """
    if _wait_for(conn, job, wanted.kind).is_final:
        return []
    return [_write_child(conn, job, wanted, len(rows.children(conn, job.id)))]


def _resume(conn: Connection, job: Job, last: Job) -> list[Job]:
    """Go on with a step that has not succeeded: if it still runs its end will decide, else it is made again."""
    if _wait_for(conn, job, last.kind).is_final or not last.is_final:
        return []
    revived = rows.revive(conn, last.id, state=JobState.QUEUED, text=f"retried with {job.id}")
    return [revived] if revived else []


def _wait_for(conn: Connection, job: Job, kind: str) -> Job:
    """Let a flow wait for its step. Returns it as it is then: cancelled, if that was asked for while it ran."""
    rested = attempts.wait(conn, job.id, job.attempt, after=None, reason=f"waits for {kind}")
    if rested is None:
        raise _lease_lost(job)
    return jobs.heed_cancel(conn, rested) or rested


def _done(steps: Sequence[Job]) -> list[StepDone]:
    return [StepDone(kind=s.kind, job_id=s.id, result=s.result or {}) for s in steps]


def _advance(conn: Connection, parent_id: str) -> list[Job]:
    parent = jobs.get(conn, parent_id)
    if parent.state is not JobState.WAITING:  # cancelled meanwhile: the step's own result stands, the flow stays ended
        return []
    steps = rows.children(conn, parent_id)
    if get_step(parent.kind).flow is None:
        woken = rows.wake(conn, parent_id, f"{steps[-1].kind} done")
        return [woken] if woken else []
    return _decide(conn, parent, _done(steps))


def _decide(conn: Connection, parent: Job, done: Sequence[StepDone]) -> list[Job]:
    step = get_step(parent.kind)
    if step.flow is None:
        raise TypeError(f"{parent.kind} is not a flow")
    try:
        decision = step.flow(step.params.model_validate(parent.params), done)
        if isinstance(decision, Next):
            text = f"{done[-1].kind} done, next {decision.kind}"
            child = _write_child(conn, parent, decision, len(done))
            rows.report_flow(conn, parent.id, fraction=len(done) / (len(done) + 1), message=text)
            return [child]
    except TuneyardError as error:
        # The step's own success stands: only the flow ends
        rows.end_flow(conn, parent.id, state=JobState.FAILED, text=error.message, error=error.as_dict())
        jobs.end_parents(conn, parent, JobState.FAILED, error.message, error.as_dict())
        return []
    refined = decision.record(conn) if decision.record else None
    rows.end_flow(conn, parent.id, state=JobState.SUCCEEDED, result=_as_json(refined or decision.result))
    return _advance(conn, parent.parent_id) if parent.parent_id else []


def _write_child(conn: Connection, parent: Job, decision: Next, position: int) -> Job:
    new = jobs.new_job(get_step(decision.kind), decision.params, actor=parent.actor, parent=parent, position=position)
    (submission,) = jobs.submit(conn, [new])
    if submission.conflict:
        raise ConflictError(
            f"{decision.kind} is under way as job {submission.job_id}", advice="retry the flow when it has ended"
        )
    return jobs.get(conn, submission.job_id)


def _lease_lost(job: Job) -> LeaseLostError:
    return LeaseLostError(f"attempt {job.attempt} of {job.id} lost its lease before it could record its result")


def _as_json(result: BaseModel) -> JsonObject:
    return result.model_dump(mode="json")
