"""The loop as a person sees it: label examples, run steps through the real ledger and unit of work, look at the end."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared import jobs, models
from shared.artifact_stores import open_store
from shared.artifacts import ArtifactStore
from shared.contracts import JobState, JsonObject
from shared.db.jobs import Job
from shared.db.models import Model
from shared.db.pool import Database
from shared.db.promotions import Promotion, list_promotions
from shared.registry import get_step
from shared.settings import get_settings
from workers.unit import run_job

STUDENT = "tests.support.student"
ANSWERS = ("EASY", "MEDIUM", "HARD")


@dataclass(frozen=True)
class School:
    """A database with a pipeline (of ``tests/support/student.py`` unless named), and this process as its worker."""

    database: Database
    pipeline: str = "student"

    @property
    def store(self) -> ArtifactStore:
        return open_store(get_settings().artifacts(), get_settings())

    def label(self, count: int, *, start: int = 0, days_ago: float = 1, by: str = "Ada") -> None:
        """Store labelled questions ``start`` to ``start + count - 1``."""
        at = datetime.now(UTC) - timedelta(days=days_ago)
        rows = [
            (f"ex_{n:032x}", f"question {n} {ANSWERS[n % 3]}", f"group {n}", ANSWERS[n % 3], by, at)
            for n in range(start, start + count)
        ]
        with self.database.transaction() as conn, conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO ml_data (id, query, group_key, label, source, labelled_by, labelled_at)"
                " VALUES (%s, %s, %s, %s, 'import', %s, %s)",
                rows,
            )

    def submit(self, name: str, **params: Any) -> str:
        """Submit a step and return the job's id."""
        step = get_step(f"{self.pipeline}.{name}")
        new = jobs.new_job(step, step.params.model_validate(params), actor="teacher")
        with self.database.transaction() as conn:
            jobs.submit(conn, [new])
        return new.id

    def finish(self, job_id: str) -> Job:
        """Run whatever is due until the job has ended."""
        while not (job := self.job(job_id)).is_final:
            with self.database.reading() as conn:
                due = conn.execute("SELECT id FROM jobs WHERE state = 'queued' AND run_at <= now()").fetchall()
            if not due:
                raise AssertionError(f"{job.kind} is {job.state} and nothing is due: {job.error}")
            for (each,) in due:
                run_job(each)
        return job

    def run(self, name: str, **params: Any) -> JsonObject:
        """Run a step to its success and return its result."""
        job = self.finish(self.submit(name, **params))
        assert job.state is JobState.SUCCEEDED, job.error
        assert job.result is not None
        return job.result

    def refusal(self, name: str, **params: Any) -> JsonObject:
        """Run a step that must fail for good, and return its error."""
        job = self.finish(self.submit(name, **params))
        assert job.state is JobState.FAILED
        assert job.error is not None
        return job.error

    def job(self, job_id: str) -> Job:
        with self.database.reading() as conn:
            return jobs.get(conn, job_id)

    def model(self, model_id: str) -> Model:
        with self.database.reading() as conn:
            return models.get(conn, model_id)

    def active(self) -> str | None:
        """Return the id of the active model."""
        with self.database.reading() as conn:
            model = models.active(conn, self.pipeline, "default")
        return model.id if model else None

    def history(self) -> list[Promotion]:
        """Return the promotions, the latest first."""
        with self.database.reading() as conn:
            return list_promotions(conn, pipeline=self.pipeline)
