"""Cancel a job, or try it again."""

from typing import Final

from starlette.responses import Response

from api.paging import JobId
from api.review.route import Visitor, action, send_to, site_router
from api.transaction import Work
from shared import jobs
from shared.contracts import JobState, Scope
from shared.errors import ConflictError

_site = site_router()
ROUTERS: Final = (_site,)


@_site.post("/jobs/{job_id}/cancel", name="site.cancel-job")
@action(scope=Scope.SUBMIT)
def cancel_job(work: Work, job_id: JobId, visitor: Visitor) -> Response:
    """Cancel a job; when it has ended meanwhile, say so."""
    try:
        with work.conn.transaction():
            job = jobs.cancel(work.conn, job_id, visitor.principal.name)
    except ConflictError as error:
        return send_to(f"/jobs/{job_id}", f"Nothing was changed: {error.message}.")
    at_once = job.state is JobState.CANCELLED
    told = "The job is cancelled." if at_once else "The job was asked to stop: it does at its next report."
    return send_to(f"/jobs/{job_id}", told)


@_site.post("/jobs/{job_id}/retry", name="site.retry-job")
@action(scope=Scope.SUBMIT)
def retry_job(work: Work, job_id: JobId, visitor: Visitor) -> Response:
    """Queue a failed or cancelled job again, with all its attempts."""
    try:
        with work.conn.transaction():
            work.wake(jobs.retry(work.conn, job_id, visitor.principal.name))
    except ConflictError as error:
        return send_to(f"/jobs/{job_id}", f"Nothing was changed: {error.message}.")
    return send_to(f"/jobs/{job_id}", "The job is queued again.")
