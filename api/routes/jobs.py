"""Jobs: what runs, how far it is, stop it, try it again."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any, Final

import anyio.to_thread
from annotated_types import Ge, Lt
from fastapi import APIRouter, Header, Query
from psycopg import Connection
from starlette.responses import Response, StreamingResponse

from api.deps import Front, FrontDep, Reader, Submits
from api.paging import Cursor, JobId, Limit, PipelineFilter
from api.transaction import Work, in_transaction, reading
from api.views import EventView, JobView, Page, page
from api.wire import json_response
from shared import jobs
from shared.contracts import FINAL_STATES, JobState, Queue
from shared.db.events import Event
from shared.db.pool import Database
from shared.errors import UnavailableError

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_HEARTBEAT_S: Final = 15.0
_RECONNECT_MS: Final = 1000
_STREAM: Final = "text/event-stream"
_Seq = Annotated[int, Ge(0), Lt(2**63)]
_STREAM_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # no proxy holds events back


@router.get("", summary="List jobs")
@reading
def list_jobs(
    conn: Connection,
    *,
    _who: Reader,
    kind: Annotated[str | None, Query(pattern=r"^[a-z0-9_.-]{1,127}$", examples=["router.train"])] = None,
    pipeline: PipelineFilter = None,
    state: JobState | None = None,
    queue: Queue | None = None,
    parent: Annotated[str | None, Query(pattern=r"^job_[0-9a-f]{32}$", description="Steps of this flow.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[JobView]:
    """Show jobs, newest first."""
    found = jobs.list_jobs(
        conn, kind=kind, pipeline=pipeline, state=state, queue=queue, parent=parent, before=cursor, limit=limit + 1
    )
    return page(JobView.of, found, limit)


@router.get("/{job_id}", summary="Show a job")
@reading
def show_job(conn: Connection, job_id: JobId, _who: Reader) -> JobView:
    """Show a job: its state, progress, and its result or error."""
    return JobView.of(jobs.get(conn, job_id))


@router.post("/{job_id}/cancel", summary="Cancel a job")
@in_transaction
def cancel_job(work: Work, job_id: JobId, who: Submits) -> JobView:
    """Cancel a job: at once when it is at rest; when it runs, it is asked to stop, which its state will show.

    A flow takes its steps with it.
    """
    return JobView.of(jobs.cancel(work.conn, job_id, who.name))


@router.post("/{job_id}/retry", summary="Try a job again")
@in_transaction
def retry_job(work: Work, job_id: JobId, who: Submits) -> JobView:
    """Queue a failed or cancelled job again, with all its attempts. A flow goes on at the step where it ended."""
    work.wake(jobs.retry(work.conn, job_id, who.name))
    return JobView.of(jobs.get(work.conn, job_id))


_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "What happened so far: as a stream that goes on until the job ends, or as a JSON list.",
        "content": {
            _STREAM: {"schema": {"type": "string"}, "example": 'id: 7\nevent: progress\ndata: {"seq": 7, …}\n\n'}
        },
    },
    204: {"description": "The job has ended, and there is nothing after `Last-Event-ID`: do not connect again."},
}


@router.get("/{job_id}/events", summary="Follow a job", response_model=Page[EventView], responses=_RESPONSES)
async def follow_job(
    *,
    job_id: JobId,
    _who: Reader,
    front: FrontDep,
    accept: Annotated[str, Header(include_in_schema=False)] = _STREAM,
    last_event_id: Annotated[_Seq, Header(description="Go on after this event.")] = 0,
    cursor: Annotated[_Seq, Query(description="The same, for a list.")] = 0,
    limit: Limit = 200,
) -> Response:
    """Stream what happens to the job as server-sent events, with no gap after `Last-Event-ID`, until the job ends.

    With `Accept: application/json` it is a list of the events so far instead.
    """
    after = max(last_event_id, cursor)
    if "application/json" in accept and _STREAM not in accept:
        found = await anyio.to_thread.run_sync(_events, front.database, job_id, after, limit + 1)
        return json_response(page(EventView.model_validate, found, limit, key=lambda event: event.seq))
    if await anyio.to_thread.run_sync(_is_over, front.database, job_id, after):
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return StreamingResponse(_stream(front, job_id, after), media_type=_STREAM, headers=_STREAM_HEADERS)


async def _stream(front: Front, job_id: str, seen: int) -> AsyncIterator[str]:
    yield f"retry: {_RECONNECT_MS}\n\n"
    while not front.waiter.stopped:
        events = await front.waiter.events(job_id, seen, _HEARTBEAT_S)
        for event in events:
            data = EventView.model_validate(event).model_dump_json()
            yield f"id: {event.seq}\nevent: {event.type}\ndata: {data}\n\n"
            seen = event.seq
        if not events:
            yield ": still here\n\n"
        elif events[-1].type in FINAL_STATES:
            try:
                over = await anyio.to_thread.run_sync(_is_over, front.database, job_id, seen)
            except UnavailableError:  # the client connects again, and goes on where it was
                return
            if over:
                return


def _events(database: Database, job_id: str, after: int, limit: int) -> list[Event]:
    with database.reading() as conn:
        jobs.get(conn, job_id)
        return jobs.events(conn, [job_id], after, limit)


def _is_over(database: Database, job_id: str, after: int) -> bool:
    """Whether the job has ended, and nothing happened to it after this event."""
    with database.reading() as conn:
        return jobs.get(conn, job_id).is_final and not jobs.events(conn, [job_id], after, 1)
