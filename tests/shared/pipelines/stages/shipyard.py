"""The stages with a provider that trains: approved rows go in, and this process is the worker of all queues."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from shared.contracts import JobState, JsonObject
from shared.db import stages as rows_db
from shared.db.jobs import Job
from shared.db.stages import Decision, NewRow
from shared.files import ResultFiles
from shared.pipelines.stages.contracts import as_json, canonical, parse_any_input, row_id
from shared.pipelines.stages.sample import SampleRow, expert, sample_rows
from shared.pipelines.stages.versions import Stage
from tests.shared.pipelines.stages.office import Office
from tests.support.fault_provider import FaultProvider
from workers.unit import run_job

STAGE: Stage = "synthesis_decision"
SEED = 7


def samples(count: int, stages: Iterable[Stage] = (STAGE,)) -> list[SampleRow]:
    """Return rows of so many businesses, as the expert of the sample answers them."""
    wanted = frozenset(stages)
    return [row for row in sample_rows(count, seed=SEED) if row.stage in wanted]


def as_the_expert(body: JsonObject) -> str:
    """Answer a request for a completion as the expert would."""
    return canonical(expert(parse_any_input(json.loads(body["messages"][1]["content"])), seed=SEED))


@dataclass(frozen=True)
class Shipyard(Office):
    """A database with approved rows, and a provider."""

    provider: FaultProvider | None = None

    def approve(self, rows: Iterable[SampleRow], *, industry: str | None = "") -> list[str]:
        """Store rows that a person has approved; ``industry`` takes the place of their own."""
        new = [
            NewRow(
                id=row_id(row.stage, row.input, row.output), stage=row.stage, group_key=row.business,
                industry=row.industry if industry == "" else industry, input=as_json(row.input),
                output=as_json(row.output),
            )
            for row in rows
        ]  # fmt: skip
        ids = [row.id for row in new]
        with self.database.transaction() as conn:
            rows_db.put_rows(conn, new, "import")
            rows_db.decide(conn, [Decision(id=each, approved=True, note="It is right.") for each in ids], "Ada")
        return ids

    def due(self) -> list[str]:
        """Return the jobs that could run now, as if what they wait for had come to pass."""
        with self.database.transaction() as conn:
            conn.execute("UPDATE jobs SET run_at = now() WHERE state = 'waiting' AND run_at < '9999-01-01'")
        return [
            job_id
            for (job_id,) in self.rows(
                "SELECT id FROM jobs WHERE state IN ('queued', 'waiting') AND run_at <= now() ORDER BY id"
            )
        ]

    def sail(self, job_id: str) -> Job:
        """Run a ship and all its steps to the end; the provider trains at once."""
        for _ in range(400):
            if (job := self.job(job_id)).is_final:
                return job
            for each in self.due():
                run_job(each)
            self.train()
        raise AssertionError(f"it does not end: {job.state} {job.message}")

    def train(self) -> None:
        """Let the provider finish what it trains."""
        if self.provider is None:
            return
        for remote in self.provider.jobs:
            if remote.status not in {"succeeded", "failed", "cancelled"}:
                self.provider.advance(remote.id, "succeeded")

    def ship(self, **params: Any) -> JsonObject:
        """Ship to the end, and return the result."""
        job = self.sail(self.submit("ship", **params))
        assert job.state is JobState.SUCCEEDED, job.error
        assert job.result is not None
        return job.result

    def steps_of(self, job_id: str) -> list[tuple[str, str]]:
        """Return the steps of a flow and their states."""
        return self.rows("SELECT kind, state FROM jobs WHERE parent_id = %s ORDER BY position", job_id)

    def bytes_of(self, result: JsonObject, name: str) -> bytes:
        files = ResultFiles.model_validate(result["files"])
        with self.store.open(self.store.manifest(files.manifest).files[name]) as file:
            return file.read()

    def named(self, result: JsonObject, ending: str) -> str:
        """Return the one result file whose name ends like this."""
        (name,) = [name for name in result["files"]["sizes"] if name.endswith(ending)]
        return str(name)
