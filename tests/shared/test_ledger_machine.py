"""The ledger under arbitrary sequences of what clients, workers and sweeps do, checked against a simple model."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg import Connection

from shared import flows, jobs
from shared.contracts import FINAL_STATES, JobState
from shared.db import attempts
from shared.db.jobs import Job
from shared.db.pool import Database
from shared.errors import ConflictError, LeaseLostError
from shared.pipeline import Done
from shared.registry import get_step
from tests.support import probe

LEASE = timedelta(seconds=30)


@dataclass
class Expected:
    """What the model believes of one job."""

    state: JobState = JobState.QUEUED
    attempt: int = 0
    failures: int = 0
    cancel_requested: bool = False
    effects: int = 0


class Ledger(RuleBasedStateMachine):
    """Clients submit, cancel and retry; workers claim and end, also stale ones; the rescuer comes by."""

    database: Database
    submitted: Any = Bundle("submitted")
    claimed: Any = Bundle("claimed")

    def __init__(self) -> None:
        super().__init__()
        self.expected: dict[str, Expected] = {}
        with self.database.transaction() as conn:
            conn.execute("TRUNCATE jobs CASCADE")
            conn.execute("TRUNCATE probe_effects")

    @rule(target=submitted)
    def submit(self) -> str:
        step = get_step("probe.effectful")
        with self.database.transaction() as conn:
            (submission,) = jobs.submit(conn, [jobs.new_job(step, probe.Number(), actor="t")])
        self.expected[submission.job_id] = Expected()
        return submission.job_id

    @rule(target=claimed, job_id=submitted)
    def claim(self, job_id: str) -> Job | None:
        with self.database.transaction() as conn:
            job = attempts.claim(conn, job_id, worker="w", lease=LEASE)
        model = self.expected[job_id]
        assert (job is not None) == (model.state in (JobState.QUEUED, JobState.WAITING))
        if job:
            model.state, model.attempt = JobState.RUNNING, model.attempt + 1
            assert job.attempt == model.attempt
        return job

    def _holds(self, job: Job) -> bool:
        model = self.expected[job.id]
        return model.state is JobState.RUNNING and model.attempt == job.attempt

    @rule(job=claimed)
    def succeed(self, job: Job | None) -> None:
        if job is None:
            return

        def effect(conn: Connection) -> None:
            conn.execute("INSERT INTO probe_effects VALUES (%s, %s)", [job.id, job.attempt])

        holds = self._holds(job)
        try:
            with self.database.transaction() as conn:
                flows.succeed(conn, job, Done(result=probe.Number(), record=effect))
        except LeaseLostError:
            assert not holds
        else:
            assert holds
            self.expected[job.id].state = JobState.SUCCEEDED
            self.expected[job.id].effects += 1

    @rule(job=claimed)
    def fail(self, job: Job | None) -> None:
        if job is None:
            return
        holds = self._holds(job)
        with self.database.transaction() as conn:
            ended = jobs.fail(conn, job, {"code": "x", "message": "broken"})
        assert (ended is not None) == holds
        if holds:
            self.expected[job.id].state = JobState.FAILED
            self.expected[job.id].failures += 1

    @rule(job=claimed)
    def wait(self, job: Job | None) -> None:
        if job is None:
            return
        holds = self._holds(job)
        with self.database.transaction() as conn:
            rested = attempts.wait(conn, job.id, job.attempt, after=timedelta(0), reason="outside")
        assert (rested is not None) == holds
        if holds:
            self.expected[job.id].state = JobState.WAITING

    @rule(job=claimed)
    def lose(self, job: Job | None) -> None:
        """The worker dies: its lease runs out, and the rescuer comes by."""
        if job is None or not self._holds(job):
            return
        with self.database.transaction() as conn:
            conn.execute("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE id = %s", [job.id])
            jobs.rescue(conn)
        model = self.expected[job.id]
        if model.cancel_requested:
            model.state = JobState.CANCELLED
            return
        model.failures += 1
        model.state = JobState.FAILED if model.failures >= job.max_attempts else JobState.QUEUED

    @rule(job_id=submitted)
    def cancel(self, job_id: str) -> None:
        model = self.expected[job_id]
        try:
            with self.database.transaction() as conn:
                jobs.cancel(conn, job_id, "t")
        except ConflictError:
            assert model.state in FINAL_STATES
            return
        if model.state is JobState.RUNNING:
            model.cancel_requested = True
        else:
            model.state = JobState.CANCELLED

    @rule(job_id=submitted)
    def retry(self, job_id: str) -> None:
        model = self.expected[job_id]
        try:
            with self.database.transaction() as conn:
                jobs.retry(conn, job_id, "t")
        except ConflictError:
            assert model.state not in (JobState.FAILED, JobState.CANCELLED)
            return
        model.state, model.failures, model.cancel_requested = JobState.QUEUED, 0, False

    @rule()
    def rescue_finds_nothing_alive(self) -> None:
        with self.database.transaction() as conn:
            assert jobs.rescue(conn) == []

    @invariant()
    def ledger_and_model_agree(self) -> None:
        with self.database.reading() as conn:
            for job_id, model in self.expected.items():
                job = jobs.get(conn, job_id)
                assert (job.state, job.attempt, job.failures) == (model.state, model.attempt, model.failures)
                count = conn.execute("SELECT count(*) FROM probe_effects WHERE job_id = %s", [job_id]).fetchone()
                assert count == (model.effects,)
                states = [e.type for e in jobs.events(conn, [job_id]) if e.type in {s.value for s in JobState}]
                assert states
                if model.failures == 0:
                    assert states[-1] == model.state.value


@pytest.mark.usefixtures("probe_pipeline")
@pytest.mark.slow(15)
def test_the_ledger_behaves_like_its_model(database: Database) -> None:
    with database.transaction() as conn:
        conn.execute(probe.EFFECTS)

    class OnThisDatabase(Ledger):
        pass

    OnThisDatabase.database = database
    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
