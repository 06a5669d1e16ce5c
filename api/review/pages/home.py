"""The home page: where the five loops stand, what needs a person, what runs, and what the month has cost.

Each question is one query along an index, so that the page costs the same however many items wait.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fastapi import Path
from psycopg import Connection
from starlette.responses import Response

from api.deps import FrontDep
from api.review.route import Visitor, action, page, send_to, site_router
from api.review.views.attention import attention
from api.review.views.headline import Headline, headline_of
from api.transaction import Work
from beat_schedule import ENTRIES
from shared.contracts import Scope
from shared.db import alerts, glance, job_stats, schedules, spend
from shared.db.glance import Standing
from shared.loop.evaluate import summary_of
from shared.loop.review_progress import waiting_count
from shared.pipeline import Pipeline
from shared.registry import pipelines

_site = site_router()
ROUTERS: Final = (_site,)

_COUNTED: Final = 1000
_RUNNING: Final = 8


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Items of one kind that wait for people, counted up to a cap."""

    kind: str
    waiting: int
    is_capped: bool


@dataclass(frozen=True, kw_only=True)
class Retrain:
    """When a pipeline is retrained by itself. ``at`` None: beat has not run here yet."""

    at: datetime | None
    every: timedelta
    step: str


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A surface's standing, with its headline figure and its last verdict in plain words."""

    standing: Standing
    headline: Headline | None
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One pipeline's card."""

    name: str
    summary: str
    queues: Sequence[Queue]
    surfaces: Sequence[Surface]
    retrain: Retrain | None
    has_default: bool

    @property
    def waiting(self) -> int:
        """How many items wait, over all queues."""
        return sum(queue.waiting for queue in self.queues)

    @property
    def is_capped(self) -> bool:
        """Whether more wait than were counted."""
        return any(queue.is_capped for queue in self.queues)


@_site.get("/", name="site.home")
@page("home.html")
def home(conn: Connection, *, front: FrontDep) -> Mapping[str, Any]:
    """Show the loops at a glance."""
    standings = glance.standings(conn, [(each.name, name) for each in pipelines().values() for name in each.surfaces])
    seen, now = schedules.first_seen(conn), datetime.now(UTC)
    loops = [_loop(conn, each, standings, seen, now) for each in pipelines().values()]
    return {
        "loops": loops,
        "waiting": sum(loop.waiting for loop in loops),
        "is_capped": any(loop.is_capped for loop in loops),
        "queues": sum(len(loop.queues) for loop in loops),
        "surfaces": len(standings),
        "actives": sum(each.active_id is not None for each in standings),
        "attention": attention(conn, standings),
        "jobs": job_stats.under_way(conn, _RUNNING),
        "most_jobs": _RUNNING,
        "month": spend.month_total(conn),
        "budget": front.settings.llm_monthly_budget_usd,
    }


@_site.post("/alerts/{alert_id}/close", name="site.close-alert")
@action(scope=Scope.SUBMIT)
def close_alert(work: Work, *, alert_id: int = Path(ge=1, lt=2**63), visitor: Visitor) -> Response:
    """Take an alert off the home page: somebody has seen to it."""
    closed = alerts.close(work.conn, alert_id, visitor.principal.name)
    return send_to("/", "The alert is closed. If it is still so in a week, it comes back." if closed else "")


def _loop(
    conn: Connection,
    pipeline: Pipeline[Any, Any],
    standings: Sequence[Standing],
    seen: Mapping[str, datetime],
    now: datetime,
) -> Loop:
    return Loop(
        name=pipeline.name,
        summary=pipeline.summary,
        queues=[_queue(conn, pipeline, review.kind) for review in pipeline.reviews],
        surfaces=[_surface(pipeline, each) for each in standings if each.pipeline == pipeline.name],
        retrain=_retrain(pipeline, seen, now),
        has_default=pipeline.surfaces == ("default",),
    )


def _queue(conn: Connection, pipeline: Pipeline[Any, Any], kind: str) -> Queue:
    found = waiting_count(conn, pipeline, kind, _COUNTED)
    return Queue(kind=kind, waiting=found, is_capped=found >= _COUNTED)


def _surface(pipeline: Pipeline[Any, Any], standing: Standing) -> Surface:
    verdict = summary_of(standing.verdicts) if standing.verdicts else ""
    return Surface(standing=standing, headline=headline_of(pipeline, standing.active_metrics or {}), verdict=verdict)


def _retrain(pipeline: Pipeline[Any, Any], seen: Mapping[str, datetime], now: datetime) -> Retrain | None:
    for entry in ENTRIES:
        if entry.step.partition(".")[0] == pipeline.name:
            first = seen.get(entry.name)
            at = schedules.next_slot(first, entry.every, now) if first else None
            return Retrain(at=at, every=entry.every, step=entry.step)
    return None
