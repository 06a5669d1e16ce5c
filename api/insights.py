"""What the seed's paths do with jobs: submit one, wait for what matters of it, and word its state as the seed does."""

import time
from dataclasses import dataclass
from typing import Any, Final

import anyio.to_thread
from psycopg import Connection
from starlette.requests import Request

from api.deps import Front
from api.idempotency import key_of, reused
from api.security import Principal
from shared import ids, jobs
from shared.contracts import JobState, JsonObject
from shared.db import dedup
from shared.errors import ConflictError, NotFoundError, RefusedError
from shared.jobs import Job
from shared.llm.connection import OPENAI
from shared.registry import get_step

FINE_TUNE_PATH: Final = "/api/admin/insights/fine-tune-model"
_OPENAI_PAGE: Final = "https://platform.openai.com/finetune/"
_PATIENCE_S: Final = 15.0
"""How long an answer may wait for the provider's job, or for a model to be shown to work."""
_LOOK_S: Final = 0.3
_STATUSES: Final = {
    "preflight": "validating_files", "upload": "validating_files", "creating": "queued", "create_unknown": "queued",
    "polling": "running", "succeeded": "running",
    "failed": "failed", "failed_after_training": "failed", "cancelled": "failed", "provider_closed": "failed",
}  # fmt: skip
"""The seed's word for each state of a run. A model that the provider has is none of ours until it is registered."""
_PROVIDERS_OWN: Final = frozenset({"validating_files", "queued", "running"})


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A fine-tune as far as it is: the job that drives it, and the provider's (None: not asked for yet)."""

    job: Job | None
    fine_tune: dedup.FineTuned | None
    next_version: int

    @classmethod
    def of(cls, conn: Connection, job_id: str) -> "Watched":
        """Return the fine-tune that the provider, or we, know by this id. Raises NotFoundError."""
        ours = ids.prefix_of(job_id) == ids.JOB
        found = dedup.fine_tune_of_flow(conn, job_id) if ours else dedup.fine_tune_of(conn, job_id)
        job = jobs.get(conn, job_id) if ours else None
        if (found is None and job is None) or (job and not job.kind.startswith("dedup.")):
            raise NotFoundError(
                "there is no such fine-tune of dedup", advice=f"POST {FINE_TUNE_PATH} makes one, and returns its id"
            )
        return cls(job=job, fine_tune=found, next_version=dedup.next_version(conn))


async def submitted(request: Request, front: Front, who: Principal, kind: str, params: JsonObject) -> str:
    """Submit a step, and return its job's id. Heeds ``Idempotency-Key``; raises ConflictError when it is under way."""
    step = get_step(kind)
    wanted = step.params.model_validate(params)
    submission = await front.submitter.submit(
        jobs.new_job(step, wanted, actor=who.name, idempotency_key=key_of(request))
    )
    if submission.conflict == "idempotency-key":
        raise reused()
    if submission.conflict:
        raise ConflictError(
            f"{kind} is under way already, as {submission.job_id}",
            advice=f"follow it at /v1/jobs/{submission.job_id}",
            job_id=submission.job_id,
        )
    return submission.job_id


async def fine_tune_begun(front: Front, job_id: str) -> Watched:
    """Wait until the provider has made its job, or for a while. Raises what our job failed with."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        ended = await front.waiter.end(job_id, _LOOK_S)
        watched = await anyio.to_thread.run_sync(front.database.read, lambda conn: Watched.of(conn, job_id))
        if watched.fine_tune and watched.fine_tune.provider_job_id:
            return watched
        if ended:
            return _raised(watched)
        if time.monotonic() >= deadline:
            return watched


def _raised(watched: Watched) -> Watched:
    if watched.job and watched.job.state is not JobState.SUCCEEDED:
        raise failure_of(watched.job)
    return watched


async def ended_or_none(front: Front, job_id: str) -> Job | None:
    """Wait for a job's end; None: it takes longer. Raises what it failed with."""
    if not await front.waiter.end(job_id, _PATIENCE_S):
        return None
    job = await anyio.to_thread.run_sync(front.database.read, lambda conn: jobs.get(conn, job_id))
    if job.state is not JobState.SUCCEEDED:
        raise failure_of(job)
    return job


def failure_of(job: Job) -> RefusedError:
    """Return why a job ended without success, as an error to answer with."""
    error: dict[str, Any] = job.error or {}
    return RefusedError(
        str(error.get("message", f"the job {job.id} was {job.state}")),
        code=str(error.get("code", job.state)),
        advice=str(error.get("advice", "")) or f"see /v1/jobs/{job.id}",
        job_id=job.id,
    )


def decided(job: Job, action: str) -> str:
    """Return the sentence of a step that changed a model. Raises RefusedError when it did not."""
    result: JsonObject = job.result or {}
    done = result.get("promoted" if action == "activate" else "deactivated")
    sentence = str(result.get("sentence", ""))
    if not done:
        raise RefusedError(
            sentence,
            code="not-activated" if action == "activate" else "not-deactivated",
            advice="GET /api/admin/insights/model-status shows the models and how they did",
            job_id=job.id,
        )
    return sentence


def created_message(begun: dedup.FineTuned, base_url: str) -> str:
    """Return the seed's message, with where to look."""
    where = _OPENAI_PAGE if begun.provider == OPENAI else f"{base_url.rstrip('/')}{FINE_TUNE_PATH}?jobId="
    return f"Fine-tuning job created. Monitor progress at: {where}{begun.provider_job_id}"


def status_view(job_id: str, watched: Watched) -> JsonObject:
    """Return how far a fine-tune is, in the seed's words (fields by their names in Python)."""
    found, job = watched.fine_tune, watched.job
    if found is None:
        error = job.error if job else None
        status = "failed" if job and job.is_final else "validating_files"
        return {"success": status != "failed", "job_id": job_id, "status": status, "error": error}
    status, error = _status_of(found)
    return {
        "success": status != "failed",
        "job_id": job_id,
        "status": status,
        "base_model": found.base_model,
        "training_file_id": found.file_id,
        "fine_tuned_model": found.fine_tuned_model,
        "model_id": found.model_id,
        "model_version": found.version,
        "trained_tokens": found.trained_tokens,
        "error": error,
        "created_at": found.created_at,
        "finished_at": found.finished_at,
    }


def _status_of(found: dedup.FineTuned) -> tuple[str, JsonObject | None]:
    if found.model_id is not None:
        return "succeeded", None
    status = _STATUSES[found.state]
    if found.state == "polling" and found.provider_status in _PROVIDERS_OWN:
        status = str(found.provider_status)
    error = found.error or found.flow_error
    if error and status != "failed" and found.flow_error:  # the provider has trained it, and our job failed after that
        return "failed", found.flow_error
    if status == "failed" and not error:
        error = {"code": found.state.replace("_", "-"), "message": f"the fine-tune ended as {found.state}"}
    return status, error if status == "failed" else None
