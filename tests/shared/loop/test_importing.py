"""Importing, from a stored upload to rows of ground truth: all of a file or nothing, once."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.rows import dict_row

from shared import flows, jobs
from shared.artifacts import Manifest
from shared.contracts import JobState
from shared.db import attempts, staging
from shared.db.jobs import Job
from shared.db.pool import Database
from shared.errors import InvalidInputError, JobCancelled, LeaseLostError
from shared.files import uploads_of
from shared.loop.importing import ImportParams, ImportResult, import_file
from shared.pipeline import Done
from shared.pipelines.router import PIPELINE
from shared.pipelines.router.contracts import example_id, group_of
from shared.registry import get_step
from shared.settings import Settings
from workers.attempt import Attempt

MIB = 1024 * 1024
Upload = Callable[..., ImportParams]


class Importer:
    """Imports files as a worker does, in this process."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def claim(self, params: ImportParams) -> Job:
        with self.database.transaction() as conn:
            step = get_step("router.import")
            (submission,) = jobs.submit(conn, [jobs.new_job(step, params, actor="Ada")])
            job = attempts.claim(conn, submission.job_id, worker="w", lease=timedelta(minutes=5))
        assert job is not None
        return job

    def compute(self, job: Job) -> Done:
        with Attempt(self.database, job) as attempt:
            return import_file(PIPELINE, attempt, ImportParams.model_validate(job.params))

    def record(self, job: Job, done: Done) -> ImportResult:
        with self.database.transaction() as conn:
            flows.succeed(conn, job, done)
            ended = jobs.get(conn, job.id)
        assert ended.state is JobState.SUCCEEDED
        return ImportResult.model_validate(ended.result)

    def run(self, params: ImportParams) -> ImportResult:
        job = self.claim(params)
        return self.record(job, self.compute(job))

    def rows(self) -> list[dict[str, Any]]:
        with self.database.reading() as conn, conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute("SELECT * FROM ml_data ORDER BY query").fetchall()

    def staged(self) -> list[str]:
        with self.database.reading() as conn:
            return [name for (name,) in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'staging'")]


@pytest.fixture
def importer(settings: Settings, database: Database) -> Importer:
    return Importer(database)


@pytest.fixture
def upload(importer: Importer) -> Iterator[Upload]:
    """Store a file as the front does."""
    with Attempt(importer.database, importer.claim(ImportParams(upload="0" * 64, format="csv"))) as attempt:
        store = uploads_of(attempt.artifacts)

        def upload(*lines: object, file_format: str = "jsonl", kind: str = "upload") -> ImportParams:
            with store.writer() as writer:
                for line in lines:
                    writer.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
            manifest = store.publish(Manifest(kind=kind, files={f"rows.{file_format}": writer.ref}))
            return ImportParams.model_validate({"upload": manifest, "format": file_format})

        yield upload


def _line(query: str, label: str = "EASY", **more: object) -> dict[str, object]:
    return {"query": query, "label": label, **more}


def test_rows_are_kept_with_what_the_file_says(importer: Importer, upload: Upload) -> None:
    params = upload(
        _line("Why?", "hard", labelled_at="2026-03-04T05:06:07+02:00", labelled_by="Bo"),
        _line("naïve\nü 漢 \x01", "MEDIUM", labelled_at="2026-03-04", extra=1),
        _line("What?"),
    )
    before = datetime.now(UTC)
    result = importer.run(params)
    assert result == ImportResult(upload=params.upload, rows=3, new=3, known=0)
    what, why, naive = importer.rows()
    assert (why["query"], why["label"], why["labelled_by"]) == ("Why?", "HARD", "Bo")
    assert why["labelled_at"] == datetime(2026, 3, 4, 3, 6, 7, tzinfo=UTC)
    assert why["id"] == example_id("Why?", "HARD")
    assert why["group_key"] == group_of("why!")
    assert (why["source"], why["query_id"]) == ("import", None)
    assert (naive["query"], naive["labelled_at"]) == ("naïve\nü 漢 \x01", datetime(2026, 3, 4, tzinfo=UTC))
    assert (what["labelled_by"], what["labelled_at"] >= before - timedelta(seconds=1)) == ("Ada", True)
    assert importer.staged() == []


def test_csv_gives_the_same_rows_as_json_lines(importer: Importer, upload: Upload) -> None:
    importer.run(upload(_line("a, b", labelled_by="Bo"), _line("c", "HARD")))
    csv = upload(b'label,query,labelled_by\nEASY,"a, b",Bo\nhard,c,\n', file_format="csv")
    assert importer.run(csv).known == 2
    assert len(importer.rows()) == 2


def test_importing_twice_changes_nothing(importer: Importer, upload: Upload) -> None:
    params = upload(_line("one"), _line("two", "HARD"), _line("one"))
    first, rows = importer.run(params), importer.rows()
    again = importer.run(params)
    assert (first.rows, first.new, first.known) == (3, 2, 1)
    assert (again.rows, again.new, again.known) == (3, 0, 3)
    assert importer.rows() == rows


def test_one_bad_line_and_nothing_is_stored(importer: Importer, upload: Upload) -> None:
    params = upload(
        _line("good"),
        b"{\n",
        _line(""),
        _line("x" * 10_001),
        _line("NUL \0"),
        _line("q", "SIMPLE"),
        _line("q", labelled_at="yesterday"),
        _line("q", labelled_at="2999-01-01"),
        _line("q", labelled_by="a\tb"),
        {"label": "EASY"},
        [1],
        _line("secret words of a person", None),  # type: ignore[arg-type]
    )
    with pytest.raises(InvalidInputError) as refused:
        importer.run(params)
    error = refused.value.as_dict()
    assert error["code"] == "import-refused"
    assert error["message"].startswith("11 of 12 lines cannot be imported, so nothing was; line 2: ")
    assert error["details"]["refused"] == 11
    assert error["details"]["rows"] == 12
    reasons = {line["line"]: line["reason"] for line in error["details"]["lines"]}
    assert reasons == {
        2: "not JSON in UTF-8",
        3: "the query is empty",
        4: "the query has 10,001 characters; 10,000 is the most",
        5: "the query has a NUL character",
        6: "the label is not EASY, MEDIUM or HARD",
        7: "labelled_at is not a time as 2026-01-31T12:00:00Z",
        8: "labelled_at is before 1970 or in the future",
        9: "labelled_by is not a name of at most 200 characters",
        10: "the query is not text",
        11: "not a JSON object",
        12: "the label is not EASY, MEDIUM or HARD",
    }
    assert "secret" not in json.dumps(error)
    assert importer.rows() == []
    assert importer.staged() == []


def test_of_many_bad_lines_a_hundred_are_named_and_all_are_counted(importer: Importer, upload: Upload) -> None:
    with pytest.raises(InvalidInputError) as refused:
        importer.run(upload(*[_line("q", "WRONG") for _ in range(250)], _line("fine")))
    details = refused.value.details
    assert [line["line"] for line in details["lines"]] == list(range(1, 101))
    assert (details["refused"], details["rows"]) == (250, 251)


def test_an_empty_file_imports_nothing(importer: Importer, upload: Upload) -> None:
    assert importer.run(upload(b"")).rows == 0
    assert importer.run(upload(b"query,label\n", file_format="csv")).rows == 0


def test_what_is_no_upload_is_refused(importer: Importer, upload: Upload) -> None:
    with pytest.raises(InvalidInputError, match="no such uploaded file"):
        importer.run(upload(_line("q"), kind="model"))
    with pytest.raises(InvalidInputError, match="no such uploaded file"):
        importer.run(ImportParams(upload="f" * 64, format="csv"))


def test_an_attempt_that_lost_its_lease_writes_nothing(importer: Importer, upload: Upload) -> None:
    job = importer.claim(upload(_line("q")))
    done = importer.compute(job)
    with importer.database.transaction() as conn:
        conn.execute("UPDATE jobs SET attempt = attempt + 1 WHERE id = %s", [job.id])
    with pytest.raises(LeaseLostError):
        importer.record(job, done)
    assert importer.rows() == []


def test_what_a_killed_attempt_staged_is_dropped_by_the_sweep(importer: Importer, upload: Upload) -> None:
    dead = importer.claim(upload(_line("q")))
    importer.compute(dead)
    alive = importer.claim(upload(_line("r")))
    importer.compute(alive)
    assert len(importer.staged()) == 2
    with importer.database.transaction() as conn:
        attempts.requeue(
            conn, dead.id, dead.attempt, event="rescued", text="", after=timedelta(), error={"code": "lost"}
        )
        staging.drop_dead(conn)
    assert importer.staged() == [f"{alive.id}_{alive.attempt}"]


def test_a_cancelled_import_stores_nothing(importer: Importer, upload: Upload) -> None:
    job = importer.claim(upload(_line("q")))
    with importer.database.transaction() as conn:
        jobs.cancel(conn, job.id, "Ada")
    with pytest.raises(JobCancelled):
        importer.compute(job)
    assert importer.rows() == []


def test_the_staging_table_is_dropped_quietly_when_it_is_gone(importer: Importer) -> None:
    with importer.database.transaction() as conn:
        staging.drop(conn, staging.table_of("job_x", 1))


def test_memory_does_not_grow_with_the_rows(importer: Importer, upload: Upload) -> None:
    peaks = []
    for count in (60_000, 180_000):
        lines = (b'{"query": "question %d of %d", "label": "EASY"}\n' % (n, count) for n in range(count))
        params = upload(b"".join(lines))
        tracemalloc.start()
        result = importer.run(params)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert result.new == count
    assert max(peaks) < 24 * MIB
    assert peaks[1] < peaks[0] + 2 * MIB
