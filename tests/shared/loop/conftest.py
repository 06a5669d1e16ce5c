"""Fixtures of fine-tuned pipelines: the loop over the pupil, and a provider that fails as it is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest

from shared import jobs, registry
from shared.contracts import JobState
from shared.db import provider_jobs
from shared.db.jobs import Job
from shared.db.pool import get_database
from shared.db.provider_jobs import ProviderJob
from shared.settings import Settings, get_settings
from tests.support.fault_provider import FaultProvider
from tests.support.pupil import PUPIL
from tests.support.school import School
from workers.sweeps import sweep_providers
from workers.unit import run_job

_REMEMBERED = (get_settings, registry.pipelines, registry.steps)


@dataclass(frozen=True)
class TuningSchool(School):
    """The school whose pupils a provider trains."""

    pipeline: str = "pupil"

    def go(self, job_id: str, times: int = 1) -> Job:
        """Run a job (and what its flow has made) as often, as if what it waits for had come to pass."""
        for _ in range(times):
            with self.database.transaction() as conn:
                conn.execute("UPDATE jobs SET run_at = now() WHERE state = 'waiting' AND run_at < '9999-01-01'")
            with self.database.reading() as conn:
                due = conn.execute(
                    "SELECT id FROM jobs WHERE state IN ('queued', 'waiting') AND run_at <= now()"
                    " AND %s IN (id, parent_id)",
                    [job_id],
                ).fetchall()
            for (each,) in due:
                run_job(each)
        return self.job(job_id)

    def runs(self) -> list[ProviderJob]:
        """Return all runs, the oldest first."""
        with self.database.reading() as conn:
            return provider_jobs.list_runs(conn)[::-1]

    def sweep(self) -> None:
        """Let the sweep over fine-tunes run once."""
        sweep_providers()

    def finish_waiting(self, job_id: str) -> Job:
        """Run a job that was woken: it is due by itself."""
        run_job(job_id)
        job = self.job(job_id)
        assert job.state is JobState.SUCCEEDED, (job.state, job.error)
        return job

    def messages(self, job_id: str) -> list[str]:
        """Return what a job's events say."""
        with self.database.reading() as conn:
            return [event.message for event in jobs.events(conn, [job_id])]

    def fetch(self, manifest: str) -> Path:
        """Return a folder with an artifact's files."""
        folder = Path(mkdtemp(dir=get_settings().tuneyard_home))
        self.store.fetch(manifest, folder)
        return folder

    def retry(self, job_id: str) -> None:
        with self.database.transaction() as conn:
            jobs.retry(conn, job_id, "teacher")

    def cancel(self, job_id: str) -> None:
        with self.database.transaction() as conn:
            jobs.cancel(conn, job_id, "teacher")


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as server:
        yield server


@pytest.fixture
def tuning(settings: Settings, provider: FaultProvider, monkeypatch: pytest.MonkeyPatch) -> Iterator[TuningSchool]:
    """The loop over the pupil, at the provider of the test; this process is its worker."""
    monkeypatch.setenv("TUNEYARD_PIPELINES", PUPIL)
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-of-the-tests")
    for remembered in _REMEMBERED:
        remembered.cache_clear()
    yield TuningSchool(get_database())
    monkeypatch.undo()
    for remembered in _REMEMBERED:
        remembered.cache_clear()
