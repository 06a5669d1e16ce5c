"""What the pages of jobs make of the ledger."""

from datetime import UTC, datetime, timedelta

import pytest

from api.review.pages.job import attempts, stages
from api.review.pages.jobs import Filters, tree
from shared import jobs
from shared.contracts import JobState
from shared.db import attempts as attempt_rows
from shared.db import events, job_stats
from shared.db import jobs as rows
from shared.db.events import Event
from shared.db.pool import Database
from shared.ids import earliest_id, new_id
from shared.jobs import Job, NewJob
from tests.api.conftest import NO_HURRY

START = datetime(2026, 1, 1, tzinfo=UTC)


def _new(actor: str = "Ada", parent: Job | None = None, position: int | None = None) -> NewJob:
    return NewJob(
        id=new_id("job"), kind="probe.noop", queue="db", params=b"{}", actor=actor, max_attempts=3,
        parent_id=parent.id if parent else None, position=position,
    )  # fmt: skip


def _events(*types: str) -> list[Event]:
    """Return events a second apart, each ``running`` a new attempt."""
    attempt, made = 0, []
    for seq, type_ in enumerate(types):
        attempt += type_ == "running"
        made.append(
            Event(
                job_id="job", seq=seq, attempt=attempt, type=type_, message=f"{type_} it was",
                data={"worker": "w"} if type_ == "running" else {}, at=START + timedelta(seconds=seq),
            )
        )  # fmt: skip
    return made


def _job(database: Database, state: JobState) -> Job:
    with database.transaction() as conn:
        new = _new()
        jobs.submit(conn, [new])
        if state is not JobState.QUEUED:
            claimed = attempt_rows.claim(conn, new.id, worker="w", lease=NO_HURRY)
            assert claimed
            if state is not JobState.RUNNING:
                attempt_rows.end(conn, new.id, 1, state=state, text="")
        return jobs.get(conn, new.id)


@pytest.mark.parametrize(
    ("state", "types", "shown"),
    [
        ("queued", ["queued"], "*queued running waiting succeeded"),
        ("running", ["queued", "running", "retry", "running"], "queued *running2 waiting succeeded"),
        ("failed", ["queued", "running", "failed"], "queued running waiting *failed"),
        ("running", ["queued", "running", "failed", "queued", "running"], "queued *running waiting succeeded"),
        ("cancelled", ["queued", "running", "failed", "queued", "cancelled"], "queued running waiting *cancelled"),
    ],
)
def test_a_life_is_drawn_from_the_last_beginning_on(
    database: Database, state: str, types: list[str], shown: str
) -> None:
    drawn = stages(_job(database, JobState(state)), _events(*types))
    assert " ".join(f"{'*' * each.is_now}{each.name}{each.times if each.times > 1 else ''}" for each in drawn) == shown


def test_attempts_end_as_the_first_event_says_that_ends_one() -> None:
    found = attempts(_events("queued", "running", "cancel-requested", "retry", "running", "waiting", "running"))
    assert [(each.number, each.outcome, each.seconds) for each in found] == [
        (1, "retry", 2.0),
        (2, "waiting", 1.0),
        (3, "", None),
    ]
    assert found[0].message == "retry it was"


def test_flows_in_flows_lie_under_each_other(database: Database) -> None:
    with database.transaction() as conn:
        (top, other) = (_new(), _new("Bo"))
        jobs.submit(conn, [top, other])
        middle = _new(parent=jobs.get(conn, top.id), position=0)
        jobs.submit(conn, [middle])
        leaves = [_new(parent=jobs.get(conn, middle.id), position=n) for n in range(2)]
        jobs.submit(conn, leaves)
        found = jobs.list_jobs(conn, top=True)
        below = rows.below(conn, [job.id for job in found], 100)
        assert len(rows.below(conn, [top.id], 2)) == 2
        assert job_stats.actors(conn, 10) == ["Ada", "Bo"]
        assert job_stats.unfinished(conn, 3) == {"queued": 3, "running": 0, "waiting": 0}
        assert [job.id for job in jobs.list_jobs(conn, actor="Bo")] == [other.id]
    shown = [(row.job.id, row.depth) for row in tree(found, below)]
    assert shown == [(other.id, 0), (top.id, 0), (middle.id, 1), (leaves[0].id, 2), (leaves[1].id, 2)]


def test_failed_jobs_are_counted_from_a_moment_on(database: Database) -> None:
    _job(database, JobState.FAILED)
    with database.reading() as conn:
        for away, count in ((timedelta(hours=-1), 1), (timedelta(hours=1), 0)):
            assert job_stats.failed_since(conn, earliest_id("job", datetime.now(UTC) + away), 10) == count


def test_the_last_events_come_in_order_and_changes_without_progress(database: Database) -> None:
    job = _job(database, JobState.RUNNING)
    with database.transaction() as conn:
        for n in range(5):
            events.add(conn, job.id, 1, type_="progress", message=str(n), data={})
        assert [event.message for event in events.latest(conn, job.id, 2)] == ["3", "4"]
        assert [event.type for event in events.changes(conn, job.id, 10)] == ["queued", "running"]


def test_a_filter_that_would_tear_flows_apart_shows_a_plain_list() -> None:
    assert Filters(pipeline="gold", actor="Ada").as_tree
    assert not Filters(state="failed").as_tree
