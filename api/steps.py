"""``POST /v1/{pipeline}/{step}``: one route for each step, made from its parameters' model."""

import re
from http import HTTPStatus
from typing import Any, Final

import anyio.to_thread
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.deps import Front
from api.direct import DirectEndpoint, DirectRoute
from api.idempotency import key_of, reused
from api.security import Principal
from api.views import JobView, job_json
from api.wire import json_response
from shared import jobs
from shared.contracts import JobState
from shared.errors import ConflictError
from shared.jobs import Job, NewJob, Submission
from shared.pipeline import Step

_WAIT: Final = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", re.IGNORECASE)

ACCEPTED: Final[dict[str, Any]] = {
    "status_code": HTTPStatus.ACCEPTED,
    "response_model": JobView,
    "response_description": "The job is in the ledger: it will run, whatever happens.",
    "responses": {200: {"model": JobView, "description": "With `Prefer: wait=N`: the job has ended."}},
}
"""How a route that submits a job is documented."""


def add_step(router: APIRouter, step: Step[Any]) -> None:
    """Add the route of a step."""

    async def submit(request: Request, params: BaseModel, who: Principal) -> Response:
        return await submit_step(request, step, params, who)

    router.add_api_route(
        f"/v1/{step.pipeline}/{step.name}",
        DirectEndpoint(step.params, step.scope, submit, returns=JobView),
        methods=["POST"],
        name=step.kind,
        operation_id=f"{step.pipeline}_{step.name}".replace("-", "_"),
        summary=step.summary.rstrip("."),
        description=f"Submits the step `{step.kind}`, which runs on the queue `{step.queue.value}`.",
        tags=[step.pipeline],
        **ACCEPTED,
        route_class_override=DirectRoute,
    )


async def submit_step(request: Request, step: Step[Any], params: BaseModel, who: Principal) -> Response:
    """Submit a job and answer 202; with ``Prefer: wait=N``, wait for its end and answer 200.

    Raises ConflictError when a job that must not run together with it is under way, InvalidInputError when its
    idempotency key stands for another request.
    """
    front: Front = request.app.state.front
    new_job = jobs.new_job(step, params, actor=who.name, idempotency_key=key_of(request))
    submission = await front.submitter.submit(new_job)
    _raise_conflict(submission, step)
    wait_s = _wait_of(request, front.settings.max_wait_seconds)
    if submission.created_at is not None and not wait_s:
        return _answer(_just_created(new_job, params, submission))
    ended = bool(wait_s) and await front.waiter.end(submission.job_id, wait_s)
    job = await anyio.to_thread.run_sync(_read, front, submission.job_id)
    return _answer(job, {"Preference-Applied": f"wait={wait_s:.0f}"} if ended else {})


def _answer(job: Job, applied: dict[str, str] | None = None) -> Response:
    status = HTTPStatus.OK if applied else HTTPStatus.ACCEPTED
    return json_response(job_json(job), status, {"Location": f"/v1/jobs/{job.id}", **(applied or {})})


def _raise_conflict(submission: Submission, step: Step[Any]) -> None:
    if submission.conflict == "idempotency-key":
        raise reused()
    if submission.conflict:
        raise ConflictError(
            f"{step.kind} is under way already, as {submission.job_id}",
            advice=f"follow it at /v1/jobs/{submission.job_id}, or cancel it",
            job_id=submission.job_id,
        )


def _just_created(new_job: NewJob, params: BaseModel, submission: Submission) -> Job:
    """Return the job as it lies in the ledger now, without a further query."""
    at = submission.created_at
    if at is None:
        raise ValueError("the job was not created just now")
    return Job(
        id=new_job.id, kind=new_job.kind, queue=new_job.queue, params=params.model_dump(mode="json"),
        actor=new_job.actor, state=JobState.QUEUED, attempt=0, failures=0, max_attempts=new_job.max_attempts,
        run_at=at, lease_until=None, worker=None, cancel_requested=False, sent_at=at, unique_key=new_job.unique_key,
        parent_id=None, position=None, progress=0.0, message="", counters={}, result=None, error=None, created_at=at,
        started_at=None, finished_at=None,
    )  # fmt: skip


def _read(front: Front, job_id: str) -> Job:
    return front.database.read(lambda conn: jobs.get(conn, job_id))


def _wait_of(request: Request, longest_s: float) -> float:
    """Return the seconds that the client would wait (RFC 7240), 0 for none; what cannot be read is ignored."""
    found = _WAIT.search(request.headers.get("prefer", ""))
    return min(float(found[1]), longest_s) if found else 0.0
