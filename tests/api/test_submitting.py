"""Group commit, without the HTTP around it: what one member of a group does to the others."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from api.submitting import Submitter
from shared import jobs
from shared.db.pool import Database
from shared.jobs import NewJob, Submission
from shared.registry import get_step
from tests.support.probe import Number
from workers.dispatch import Dispatcher

pytestmark = pytest.mark.usefixtures("probe_pipeline")


@pytest.fixture
def submitter(database: Database) -> Iterator[Submitter]:
    dispatcher = Dispatcher(database)
    dispatcher.start()
    submitter = Submitter(database, dispatcher)
    yield submitter
    submitter.stop()
    dispatcher.stop()


def _job(kind: str = "probe.noop", key: str | None = None) -> NewJob:
    return jobs.new_job(get_step(kind), Number(value=1), actor="tester", idempotency_key=key)


def _submit(submitter: Submitter, new_jobs: list[NewJob]) -> list[Submission | BaseException]:
    async def all_at_once() -> list[Submission | BaseException]:
        return await asyncio.gather(*(submitter.submit(job) for job in new_jobs), return_exceptions=True)

    return asyncio.run(all_at_once())


def _commits(database: Database) -> int:
    return database.read(lambda conn: len(conn.execute("SELECT DISTINCT xmin::text FROM jobs").fetchall()))


def test_submits_of_one_moment_are_one_commit(submitter: Submitter, database: Database) -> None:
    outcomes = _submit(submitter, [_job() for _ in range(100)])
    assert all(isinstance(o, Submission) and o.created for o in outcomes)
    assert _commits(database) == 1


def test_a_poisonous_job_harms_no_neighbour(submitter: Submitter) -> None:
    poison = replace(_job(), params=rb'{"value": "\u0000"}')
    outcomes = _submit(submitter, [_job(), poison, _job()])
    assert [type(o) for o in outcomes] == [Submission, psycopg.errors.UntranslatableCharacter, Submission]


def test_each_of_a_group_learns_of_its_own_conflict(submitter: Submitter) -> None:
    first, second, third = _submit(submitter, [_job("probe.alone"), _job("probe.alone"), _job()])
    assert isinstance(first, Submission)
    assert isinstance(second, Submission)
    assert sorted([(first.created, first.conflict), (second.created, second.conflict)], key=str) == [
        (False, "unique-key"),
        (True, None),
    ]
    assert first.job_id == second.job_id
    assert isinstance(third, Submission)
    assert third.created


def test_one_idempotency_key_in_a_group_makes_one_job(submitter: Submitter, database: Database) -> None:
    outcomes = _submit(submitter, [_job(key="same") for _ in range(10)])
    submissions = [o for o in outcomes if isinstance(o, Submission)]
    assert len({s.job_id for s in submissions}) == 1
    assert [s.created for s in submissions].count(True) == 1
    assert database.read(lambda conn: conn.execute("SELECT count(*) FROM jobs").fetchone()) == (1,)


def test_a_submit_that_broke_off_after_its_commit_is_not_written_twice(database: Database) -> None:
    written, missing = _job("probe.alone"), _job()
    with database.transaction() as conn:
        jobs.submit(conn, [written])
    with database.transaction() as conn:
        again = jobs.submit_again(conn, [written, missing])
    assert [(s.job_id, s.created) for s in again] == [(written.id, True), (missing.id, True)]
    assert database.read(lambda conn: conn.execute("SELECT count(*) FROM jobs").fetchone()) == (2,)
