"""The ledger's rules, one at a time, on a real database."""

from datetime import timedelta

import pytest
from psycopg import Connection

from shared import flows, jobs
from shared.contracts import JobState
from shared.db import attempts, schedules, sweeping
from shared.db import jobs as rows
from shared.db.jobs import Job
from shared.db.pool import Database
from shared.errors import ConflictError, LeaseLostError, NotFoundError
from shared.pipeline import Done
from shared.registry import get_step
from tests.support import probe

LEASE = timedelta(seconds=30)
NO_TIME = timedelta(seconds=-1)  # a lease that has run out already

pytestmark = pytest.mark.usefixtures("probe_pipeline")


def _new(kind: str = "probe.noop", idempotency_key: str | None = None) -> jobs.NewJob:
    step = get_step(kind)
    params = {"probe.refuse": {}, "probe.poison": {}, "probe.hang": {"path": "x"}}.get(kind, {"value": 2})
    return jobs.new_job(step, step.params.model_validate(params), actor="tester", idempotency_key=idempotency_key)


def _submit(conn: Connection, kind: str = "probe.noop", idempotency_key: str | None = None) -> str:
    (submission,) = jobs.submit(conn, [_new(kind, idempotency_key)])
    assert submission.created
    return submission.job_id


def _claim(conn: Connection, job_id: str, lease: timedelta = LEASE) -> Job:
    job = attempts.claim(conn, job_id, worker="w", lease=lease)
    assert job is not None
    return job


def _types(conn: Connection, job_id: str) -> list[str]:
    return [e.type for e in jobs.events(conn, [job_id])]


def test_a_job_goes_from_queued_to_succeeded_with_an_event_for_each_change(database: Database) -> None:
    with database.transaction() as conn:
        job_id = _submit(conn)
        job = _claim(conn, job_id)
        assert attempts.succeed(conn, job_id, job.attempt, {"value": 2})
        done = jobs.get(conn, job_id)
        assert (done.state, done.result, done.progress) == (JobState.SUCCEEDED, {"value": 2}, 1)
        assert _types(conn, job_id) == ["queued", "running", "succeeded"]


def test_jobs_taken_together_are_each_fenced_and_one_that_failed_before_stays_alone(database: Database) -> None:
    with database.transaction() as conn:
        first, *others = [_submit(conn) for _ in range(4)]
        other_kind = _submit(conn, "probe.effectful")
        conn.execute("UPDATE jobs SET failures = 1 WHERE id = %s", [others[2]])
        claimed = attempts.claim_together(conn, first, worker="w", lease=NO_TIME, limit=10)
        assert {j.id for j in claimed} == {first, others[0], others[1]}
        assert {jobs.get(conn, i).state for i in (others[2], other_kind)} == {JobState.QUEUED}
        conn.execute("UPDATE jobs SET lease_until = now() + interval '1 h' WHERE id = ANY(%s)", [others[:2]])
        jobs.rescue(conn)
        assert attempts.succeed_together(conn, [(j, "{}") for j in claimed]) == {others[0], others[1]}
        assert _types(conn, others[0]) == ["queued", "running", "succeeded"]
        assert jobs.get(conn, first).state is JobState.QUEUED
        assert attempts.claim_together(conn, others[0], worker="w", lease=LEASE, limit=10) == []


def test_only_one_of_many_claims_gets_the_job(database: Database) -> None:
    with database.transaction() as conn:
        job_id = _submit(conn)
    claimed = []
    for _ in range(10):
        with database.transaction() as conn:
            claimed.append(attempts.claim(conn, job_id, worker="w", lease=LEASE))
    assert sum(job is not None for job in claimed) == 1


def test_an_attempt_that_lost_its_job_can_write_nothing(database: Database) -> None:
    with database.transaction() as conn:
        job_id = _submit(conn, "probe.effectful")
        stale = _claim(conn, job_id, NO_TIME)
        assert [j.id for j in jobs.rescue(conn)] == [job_id]
        fresh = _claim(conn, job_id)
        assert fresh.attempt == stale.attempt + 1
        assert attempts.renew(conn, job_id, stale.attempt, LEASE) is None
        assert attempts.report(conn, job_id, stale.attempt, fraction=0.5, message="", counters={}, lease=LEASE) is None
        assert jobs.fail(conn, stale, {"message": "no"}) is None
        with pytest.raises(LeaseLostError):
            flows.succeed(conn, stale, Done(result=probe.Number()))
        assert jobs.get(conn, job_id).state is JobState.RUNNING


def test_a_lost_job_is_queued_again_until_its_attempts_are_used_up(database: Database) -> None:
    with database.transaction() as conn:
        job_id = _submit(conn, "probe.poison")
        for _ in range(3):
            _claim(conn, job_id, NO_TIME)
            jobs.rescue(conn)
        dead = jobs.get(conn, job_id)
        assert (dead.state, dead.failures) == (JobState.FAILED, 3)
        assert dead.error is not None
        assert dead.error["code"] == "worker-lost"
        assert _types(conn, job_id) == ["queued", "running", "rescued", "running", "rescued", "running", "failed"]


def test_rescue_leaves_a_job_whose_lease_holds(database: Database) -> None:
    with database.transaction() as conn:
        _claim(conn, _submit(conn))
        assert jobs.rescue(conn) == []


@pytest.mark.parametrize("state", ["queued", "waiting"])
def test_a_job_at_rest_is_cancelled_at_once(database: Database, state: str) -> None:
    with database.transaction() as conn:
        job_id = _submit(conn)
        if state == "waiting":
            attempts.wait(conn, job_id, _claim(conn, job_id).attempt, after=LEASE, reason="outside")
        assert jobs.cancel(conn, job_id, "tester").state is JobState.CANCELLED
        assert attempts.claim(conn, job_id, worker="w", lease=LEASE) is None


def test_a_running_job_is_asked_to_stop_and_the_rescue_cancels_it_if_its_worker_died(database: Database) -> None:
    with database.transaction() as conn:
        job_id = _submit(conn)
        job = _claim(conn, job_id, NO_TIME)
        assert jobs.cancel(conn, job_id, "tester").cancel_requested
        assert attempts.renew(conn, job_id, job.attempt, NO_TIME) is True
        jobs.rescue(conn)
        assert jobs.get(conn, job_id).state is JobState.CANCELLED


def test_an_ended_job_cannot_be_cancelled(database: Database) -> None:
    with database.transaction() as conn:
        job_id = _submit(conn)
        jobs.cancel(conn, job_id, "tester")
        with pytest.raises(ConflictError, match="already cancelled"):
            jobs.cancel(conn, job_id, "tester")


def test_retry_gives_a_failed_job_all_its_attempts_again(database: Database) -> None:
    with database.transaction() as conn:
        job_id = _submit(conn)
        jobs.fail(conn, _claim(conn, job_id), {"code": "x", "message": "it broke"})
        assert [j.id for j in jobs.retry(conn, job_id, "tester")] == [job_id]
        job = jobs.get(conn, job_id)
        assert (job.state, job.failures, job.error) == (JobState.QUEUED, 0, None)
        with pytest.raises(ConflictError, match="queued"):
            jobs.retry(conn, job_id, "tester")


def test_an_unknown_job_is_not_found(database: Database) -> None:
    with database.transaction() as conn, pytest.raises(NotFoundError):
        jobs.get(conn, "job_no")


def test_one_active_job_holds_a_unique_key(database: Database) -> None:
    with database.transaction() as conn:
        first = _submit(conn, "probe.alone")
        (second,) = jobs.submit(conn, [_new("probe.alone")])
        assert (second.created, second.conflict, second.job_id) == (False, "unique-key", first)
        jobs.cancel(conn, first, "tester")
        assert _submit(conn, "probe.alone") != first
        with pytest.raises(ConflictError, match="must not run together"):
            jobs.retry(conn, first, "tester")


def test_within_one_group_a_unique_key_lets_one_through(database: Database) -> None:
    with database.transaction() as conn:
        results = jobs.submit(conn, [_new("probe.alone"), _new("probe.noop"), _new("probe.alone")])
        assert [r.created for r in results] == [True, True, False]
        assert results[2].job_id == results[0].job_id


def test_an_idempotency_key_gives_the_same_job_and_refuses_another_request(database: Database) -> None:
    with database.transaction() as conn:
        first = _submit(conn, idempotency_key="k")
        (again,) = jobs.submit(conn, [_new(idempotency_key="k")])
        assert (again.job_id, again.created, again.conflict) == (first, False, None)
        (other,) = jobs.submit(conn, [_new("probe.effectful", idempotency_key="k")])
        assert (other.created, other.conflict) == (False, "idempotency-key")


def test_an_idempotency_key_is_given_back_when_a_unique_key_keeps_its_job_out(database: Database) -> None:
    with database.transaction() as conn:
        first = _submit(conn, "probe.alone")
        (blocked,) = jobs.submit(conn, [_new("probe.alone", idempotency_key="k")])
        assert blocked.conflict == "unique-key"
        jobs.cancel(conn, first, "tester")
        assert _submit(conn, "probe.alone", idempotency_key="k")


def test_a_flow_writes_each_next_step_with_the_end_of_the_one_before(database: Database) -> None:
    with database.transaction() as conn:
        conn.execute(probe.EFFECTS)
        flow_id = _submit(conn, "probe.chain")
        (step,) = flows.start(conn, _claim(conn, flow_id))
        for position in range(2):
            assert jobs.get(conn, flow_id).state is JobState.WAITING
            assert step.position == position
            ready = flows.succeed(conn, _claim(conn, step.id), Done(result=probe.Number(value=position)))
            step = ready[0] if ready else step
        flow = jobs.get(conn, flow_id)
        assert (flow.state, flow.result) == (JobState.SUCCEEDED, {"value": 1})
        assert len(rows.children(conn, flow_id)) == 2


def test_a_failed_step_fails_its_flow_and_retrying_the_flow_resumes_there(database: Database) -> None:
    with database.transaction() as conn:
        flow_id = _submit(conn, "probe.chain")
        (first,) = flows.start(conn, _claim(conn, flow_id))
        (second,) = flows.succeed(conn, _claim(conn, first.id), Done(result=probe.Number()))
        jobs.fail(conn, _claim(conn, second.id), {"code": "x", "message": "it broke"})
        assert jobs.get(conn, flow_id).state is JobState.FAILED
        assert [j.id for j in jobs.retry(conn, flow_id, "tester")] == [second.id]
        assert jobs.get(conn, flow_id).state is JobState.WAITING
        assert flows.succeed(conn, _claim(conn, second.id), Done(result=probe.Number(value=5))) == []
        assert jobs.get(conn, flow_id).result == {"value": 5}


def test_a_retried_flow_goes_on_after_the_steps_that_are_done(database: Database) -> None:
    with database.transaction() as conn:
        flow_id = _submit(conn, "probe.alone-chain")
        (first,) = flows.start(conn, _claim(conn, flow_id))
        in_the_way = _submit(conn, "probe.alone")
        assert flows.succeed(conn, _claim(conn, first.id), Done(result=probe.Number())) == []
        flow = jobs.get(conn, flow_id)
        assert flow.state is JobState.FAILED
        assert flow.error is not None
        assert in_the_way in flow.error["message"]
        jobs.cancel(conn, in_the_way, "tester")
        assert [j.id for j in jobs.retry(conn, flow_id, "tester")] == [flow_id]
        (second,) = flows.start(conn, _claim(conn, flow_id))
        assert (second.kind, second.position) == ("probe.alone", 1)
        flows.succeed(conn, _claim(conn, second.id), Done(result=probe.Number(value=3)))
        assert jobs.get(conn, flow_id).result == {"value": 3}


def test_a_flow_retried_while_its_step_still_runs_waits_for_it(database: Database) -> None:
    with database.transaction() as conn:
        flow_id = _submit(conn, "probe.chain")
        (step,) = flows.start(conn, _claim(conn, flow_id))
        running = _claim(conn, step.id)
        jobs.cancel(conn, flow_id, "tester")
        jobs.retry(conn, flow_id, "tester")
        assert flows.start(conn, _claim(conn, flow_id)) == []
        (second,) = flows.succeed(conn, running, Done(result=probe.Number()))
        assert second.position == 1


def test_a_flow_retried_before_its_step_heeded_the_cancel_makes_that_step_again(database: Database) -> None:
    with database.transaction() as conn:
        flow_id = _submit(conn, "probe.chain")
        (step,) = flows.start(conn, _claim(conn, flow_id))
        running = _claim(conn, step.id)
        jobs.cancel(conn, flow_id, "tester")
        jobs.retry(conn, flow_id, "tester")
        attempts.end(conn, step.id, running.attempt, state=JobState.CANCELLED, text="")
        assert [j.id for j in flows.start(conn, _claim(conn, flow_id))] == [step.id]
        assert jobs.get(conn, step.id).state is JobState.QUEUED


def test_a_cancel_that_came_while_a_job_ran_is_heeded_when_it_rests(database: Database) -> None:
    with database.transaction() as conn:
        flow_id = _submit(conn, "probe.chain")
        flow = _claim(conn, flow_id)
        jobs.cancel(conn, flow_id, "tester")
        assert flows.start(conn, flow) == []
        assert jobs.get(conn, flow_id).state is JobState.CANCELLED
        assert rows.children(conn, flow_id) == []


def test_cancelling_a_flow_cancels_its_step_and_the_other_way_round(database: Database) -> None:
    with database.transaction() as conn:
        for cancel_step in (False, True):
            flow_id = _submit(conn, "probe.chain")
            (step,) = flows.start(conn, _claim(conn, flow_id))
            jobs.cancel(conn, step.id if cancel_step else flow_id, "tester")
            assert {jobs.get(conn, i).state for i in (flow_id, step.id)} == {JobState.CANCELLED}


def test_the_end_of_a_step_stands_when_its_flow_was_cancelled_meanwhile(database: Database) -> None:
    with database.transaction() as conn:
        flow_id = _submit(conn, "probe.chain")
        (step,) = flows.start(conn, _claim(conn, flow_id))
        running = _claim(conn, step.id)
        jobs.cancel(conn, flow_id, "tester")
        assert flows.succeed(conn, running, Done(result=probe.Number())) == []
        assert jobs.get(conn, flow_id).state is JobState.CANCELLED
        assert len(rows.children(conn, flow_id)) == 1


def test_wake_ups_are_taken_when_unsent_when_lost_and_when_due(database: Database) -> None:
    def taken(conn: Connection, empty: list[str], resend: timedelta = LEASE) -> list[str]:
        page = sweeping.take_unsent(
            conn, empty_queues=empty, resend_after=resend, backstop=timedelta(hours=1), limit=10
        )
        return [row[0] for row in page]

    with database.transaction() as conn:
        job_id = _submit(conn)
        assert taken(conn, ["db"]) == []  # just sent
        assert taken(conn, [], NO_TIME) == []  # its message may still lie in the queue
        assert taken(conn, ["db"], NO_TIME) == [job_id]  # the queue is empty: it was lost
        sweeping.mark_unsent(conn, [job_id])
        assert taken(conn, []) == [job_id]
        job = _claim(conn, job_id)
        attempts.wait(conn, job_id, job.attempt, after=timedelta(hours=1), reason="outside")
        assert taken(conn, ["db"], NO_TIME) == []  # not due
        conn.execute("UPDATE jobs SET run_at = now()")
        assert taken(conn, []) == [job_id]


def test_a_schedule_slot_opens_once_and_only_for_the_present_period(database: Database) -> None:
    month = timedelta(days=30)
    with database.transaction() as conn:
        assert schedules.open_slot(conn, "e", month) is None  # first seen: waits one period
        conn.execute("UPDATE schedule_slots SET at = now() - interval '95 days'")
        assert [schedules.open_slot(conn, "e", month) for _ in range(3)] == [3, None, None]
        assert [slot for slot, _, _ in schedules.history(conn, "e", 10)] == [3, 0]


def test_lists_filter_and_page_newest_first(database: Database) -> None:
    with database.transaction() as conn:
        ids = [_submit(conn) for _ in range(5)]
        _submit(conn, "probe.refuse")
        page = rows.list_jobs(conn, kind="probe.noop", limit=3)
        assert [j.id for j in page] == ids[:1:-1]
        assert [j.id for j in rows.list_jobs(conn, kind="probe.noop", before=page[-1].id)] == ids[1::-1]
        assert len(rows.list_jobs(conn, pipeline="probe", state="queued", queue="db")) == 6
        assert rows.list_jobs(conn, pipeline="router") == []
