"""The list of jobs: what runs, what waits, what failed, and who asked for it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Query
from psycopg import Connection
from pydantic import BeforeValidator, Field

from api.paging import Cursor
from api.review.route import page, site_router
from shared import jobs
from shared.contracts import JobState, Queue
from shared.db import job_stats
from shared.db import jobs as rows
from shared.db.jobs import Job
from shared.ids import earliest_id
from shared.registry import steps

_site = site_router()
ROUTERS: Final = (_site,)

_PAGE: Final = 50
_STEPS_OF_A_PAGE: Final = 500
_CAP: Final = 1000  # counts go no further
_ACTORS: Final = 100
_RECENT: Final = timedelta(days=1)

_Chosen = BeforeValidator(lambda text: text or None)  # a filter that is left open is sent as an empty text
_Pipeline = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
_Kind = Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,127}$")]
_Actor = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
_Flow = Annotated[str, Field(pattern=r"^job_[0-9a-f]{32}$")]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What the list is narrowed to."""

    pipeline: str | None = None
    kind: str | None = None
    state: str | None = None
    queue: str | None = None
    actor: str | None = None
    parent: str | None = None

    @property
    def chosen(self) -> dict[str, str]:
        """The filters that are set."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def as_tree(self) -> bool:
        """Whether flows are shown with their steps under them: not where a filter would tear them apart."""
        return not (self.kind or self.state or self.queue or self.parent)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A job in a list, and how deep it lies under a flow."""

    job: Job
    depth: int = 0

    @property
    def seconds(self) -> float | None:
        """How long the job has run, or ran; None: it has not begun."""
        return took(self.job)


def took(job: Job) -> float | None:
    """Return the seconds from a job's first start to its end, or to now."""
    if job.started_at is None:
        return None
    return ((job.finished_at or datetime.now(UTC)) - job.started_at).total_seconds()


def tree(top: Sequence[Job], below: Sequence[Job], depth: int = 0) -> list[Row]:
    """Put each flow's steps under it, in their order."""
    under: dict[str | None, list[Job]] = defaultdict(list)
    for job in below:
        under[job.parent_id].append(job)

    def walk(some: Sequence[Job], depth: int) -> list[Row]:
        return [row for job in some for row in (Row(job=job, depth=depth), *walk(under[job.id], depth + 1))]

    return walk(top, depth)


@_site.get("/jobs", name="site.jobs")
@page("jobs.html")
def list_jobs(
    conn: Connection,
    *,
    pipeline: Annotated[_Pipeline | None, _Chosen, Query()] = None,
    step: Annotated[_Kind | None, _Chosen, Query()] = None,
    state: Annotated[JobState | None, _Chosen, Query()] = None,
    queue: Annotated[Queue | None, _Chosen, Query()] = None,
    actor: Annotated[_Actor | None, _Chosen, Query()] = None,
    parent: Annotated[_Flow | None, _Chosen, Query()] = None,
    cursor: Cursor = None,
) -> Mapping[str, Any]:
    """Show jobs, newest first: flows with their steps under them."""
    chosen = Filters(pipeline=pipeline, kind=step, state=state, queue=queue, actor=actor, parent=parent)
    found = jobs.list_jobs(conn, **chosen.chosen, top=chosen.as_tree, before=cursor, limit=_PAGE + 1)
    shown = found[:_PAGE]
    below = rows.below(conn, [job.id for job in shown], _STEPS_OF_A_PAGE) if chosen.as_tree else []
    query = {("step" if name == "kind" else name): value for name, value in chosen.chosen.items()}
    return {
        "filters": chosen,
        "rows": tree(shown, below),
        "is_first_page": cursor is None,
        "older": f"/jobs?{urlencode({**query, 'cursor': shown[-1].id})}" if len(found) > _PAGE else "",
        "newest": f"/jobs?{urlencode(query)}" if query else "/jobs",
        "tally": job_stats.unfinished(conn, _CAP),
        "failed": job_stats.failed_since(conn, earliest_id("job", datetime.now(UTC) - _RECENT), _CAP),
        "cap": _CAP,
        "actors": job_stats.actors(conn, _ACTORS),
        "kinds": kinds_by_pipeline(),
        "states": [each.value for each in JobState],
        "queues": [each.value for each in Queue],
    }


def kinds_by_pipeline() -> dict[str, list[str]]:
    """Return all kinds of steps, by pipeline."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for kind, step in steps().items():
        kinds[step.pipeline].append(kind)
    return {pipeline: sorted(kinds[pipeline]) for pipeline in sorted(kinds)}
