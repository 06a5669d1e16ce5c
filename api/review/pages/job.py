"""One job, kept up to date by its script: where it stands, what happened to it, what went in and what came out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime
from typing import Any, Final

from psycopg import Connection

from api.paging import JobId
from api.review.pages.jobs import took, tree
from api.review.route import page, site_router
from shared import jobs
from shared.contracts import FINAL_STATES, JobState
from shared.db import events as event_rows
from shared.db import jobs as rows
from shared.db.events import Event
from shared.db.jobs import Job
from shared.files import files_of_result
from shared.registry import steps

_site = site_router()
ROUTERS: Final = (_site,)

_EVENTS: Final = 200
_CHANGES: Final = 300
_ATTEMPTS: Final = 20
_STEPS: Final = 500
_HIGHEST: Final = 5  # flows above that are named
_RETRYABLE: Final = (JobState.FAILED, JobState.CANCELLED)
_LIFE: Final = (JobState.QUEUED, JobState.RUNNING, JobState.WAITING)
_ENDS_AN_ATTEMPT: Final = frozenset({*FINAL_STATES, JobState.WAITING, JobState.QUEUED, "retry", "rescued"})
_SHOWN_ELSEWHERE: Final = frozenset({"files"})


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A state in a job's life: when it was reached first, how often, and whether it is the present one."""

    name: str
    at: datetime | None = None
    times: int = 0
    is_now: bool = False


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt of a worker at the job; ``outcome`` is the event that ended it, empty while it runs."""

    number: int
    worker: str
    began: datetime
    ended: datetime | None = None
    outcome: str = ""
    message: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return (self.ended - self.began).total_seconds() if self.ended else None


@_site.get("/jobs/{job_id}", name="site.job")
@page("job.html")
def show_job(conn: Connection, job_id: JobId) -> Mapping[str, Any]:
    """Show a job. Raises NotFoundError."""
    job = jobs.get(conn, job_id)
    latest = event_rows.latest(conn, job_id, _EVENTS)
    changes = event_rows.changes(conn, job_id, _CHANGES)
    files = files_of_result(job.result)
    result = {
        name: value for name, value in (job.result or {}).items() if files is None or name not in _SHOWN_ELSEWHERE
    }
    step = steps().get(job.kind)
    return {
        "job": job,
        "step": step,
        "params": {name: job.params[name] for name in step.params.model_fields if name in job.params}
        if step
        else job.params,
        "above": _above(conn, job),
        "below": tree(rows.children(conn, job_id), _deeper(conn, job_id)),
        "stages": stages(job, changes),
        "attempts": attempts(changes)[-_ATTEMPTS:],
        "events": latest,
        "has_earlier": len(latest) == _EVENTS,
        "cursor": latest[-1].seq if latest else 0,
        "seconds": took(job),
        "due": _due(job),
        "files": files,
        "result": result,
        "can_cancel": not job.is_final and not job.cancel_requested,
        "can_retry": job.state in _RETRYABLE,
    }


def _due(job: Job) -> datetime | None:
    """Return when a job at rest goes on by itself; None: it is due, or goes on when something else has ended."""
    is_later = job.run_at > datetime.now(UTC) and job.run_at.year < MAXYEAR
    return job.run_at if is_later and job.state in (JobState.QUEUED, JobState.WAITING) else None


def _above(conn: Connection, job: Job) -> list[Job]:
    """Return the flows above a job, the highest first."""
    above: list[Job] = []
    while job.parent_id and len(above) < _HIGHEST:
        job = jobs.get(conn, job.parent_id)
        above.insert(0, job)
    return above


def _deeper(conn: Connection, job_id: str) -> list[Job]:
    return [job for job in rows.below(conn, [job_id], _STEPS) if job.parent_id != job_id]


def stages(job: Job, changes: Sequence[Event]) -> list[Stage]:
    """Return the states of a job's life, in order, and where it is now; of the ways to end only the one it took."""
    end = job.state if job.is_final else JobState.SUCCEEDED
    earlier = changes[:-1] if job.is_final else changes  # before a person's retry the job had another life
    since = max((place for place, event in enumerate(earlier) if event.type in FINAL_STATES), default=-1)
    return [_stage(name, job, changes[since + 1 :]) for name in (*_LIFE, end)]


def _stage(name: JobState, job: Job, changes: Sequence[Event]) -> Stage:
    found = [event for event in changes if event.type == name]
    return Stage(name=name.value, at=found[0].at if found else None, times=len(found), is_now=job.state is name)


def attempts(changes: Sequence[Event]) -> list[Attempt]:
    """Read the attempts from a job's events."""
    found: dict[int, Attempt] = {}
    for event in changes:
        if event.type == JobState.RUNNING:
            worker = str(event.data.get("worker", ""))
            found[event.attempt] = Attempt(number=event.attempt, worker=worker, began=event.at)
        elif event.type in _ENDS_AN_ATTEMPT and (begun := found.get(event.attempt)) and not begun.outcome:
            found[event.attempt] = Attempt(
                number=begun.number, worker=begun.worker, began=begun.began, ended=event.at, outcome=event.type,
                message=event.message,
            )  # fmt: skip
    return list(found.values())
