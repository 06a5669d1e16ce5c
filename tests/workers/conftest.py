"""Workers of these tests know the probe pipeline, and are as quick to give up as a test needs them to be."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from shared import jobs
from shared.db.jobs import Job
from shared.db.pool import Database
from shared.registry import get_step
from shared.settings import Settings
from tests.conftest import PROBE
from tests.support import probe
from workers import dispatch
from workers.dispatch import WakeUp

# The real ones (30 s, 5 s, 5 s) add up to less than 45 s until a lost job is at work again.
QUICK = {"LEASE_SECONDS": "2", "HEARTBEAT_SECONDS": "0.4", "SWEEP_SECONDS": "0.3", "RESEND_AFTER_SECONDS": "1"}


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | QUICK | {"TUNEYARD_PIPELINES": PROBE}


@dataclass(frozen=True)
class Ledger:
    """The ledger as a front sees it."""

    database: Database

    def submit(self, kind: str, params: BaseModel, *, send: bool = True) -> str:
        """Submit as the front does: commit, then send."""
        new = jobs.new_job(get_step(kind), params, actor="tester")
        with self.database.transaction() as conn:
            jobs.submit(conn, [new])
        if send:
            dispatch.send_or_leave(self.database, [WakeUp(new.id, new.kind, new.queue)])
        return new.id

    def get(self, job_id: str) -> Job:
        with self.database.reading() as conn:
            return jobs.get(conn, job_id)

    def ended(self, *job_ids: str) -> Callable[[], bool]:
        def all_ended() -> bool:
            with self.database.reading() as conn:
                return all(jobs.get(conn, job_id).is_final for job_id in job_ids)

        return all_ended

    def events(self, job_id: str) -> list[str]:
        with self.database.reading() as conn:
            return [e.type for e in jobs.events(conn, [job_id])]

    def effects(self, job_id: str) -> int:
        with self.database.reading() as conn:
            return len(conn.execute("SELECT 1 FROM probe_effects WHERE job_id = %s", [job_id]).fetchall())


@pytest.fixture
def ledger(probe_pipeline: None, settings: Settings, environment: dict[str, str]) -> Iterator[Ledger]:
    database = Database(environment["DATABASE_URL"])
    with database.transaction() as conn:
        conn.execute(probe.EFFECTS)
    yield Ledger(database)
    database.close()
