"""The sweeps, one at a time, in this process."""

import os
from datetime import timedelta

import pytest

from beat_schedule import ENTRIES
from shared import jobs
from shared.artifact_stores import open_store
from shared.db import attempts
from shared.db.locks import single_flight
from shared.errors import InvalidInputError
from shared.files import upload_manifest, uploaded, uploads_of
from shared.registry import get_step
from shared.settings import get_settings
from tests.support.probe import Number, Texts
from tests.workers.conftest import Ledger
from workers import dispatch, sweeps


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"EVENT_RETENTION_DAYS": "30", "IDEMPOTENCY_HOURS": "24"}


def _finish(ledger: Ledger) -> str:
    job_id = ledger.submit("probe.effectful", Number(), send=False)
    lease = timedelta(seconds=30)
    with ledger.database.transaction() as conn:
        job = attempts.claim(conn, job_id, worker="w", lease=lease)
        assert job
        attempts.report(conn, job_id, job.attempt, fraction=0.5, message="half", counters={}, lease=lease)
        attempts.succeed(conn, job_id, job.attempt, {"value": 0})
    return job_id


def test_old_progress_is_pruned_and_changes_of_state_are_kept(ledger: Ledger) -> None:
    old, recent = _finish(ledger), _finish(ledger)
    with ledger.database.transaction() as conn:
        conn.execute("UPDATE job_events SET at = at - interval '31 days' WHERE job_id = %s", [old])
        conn.execute("UPDATE jobs SET finished_at = finished_at - interval '31 days' WHERE id = %s", [old])
    sweeps.prune()
    assert ledger.events(old) == ["queued", "running", "succeeded"]
    assert ledger.events(recent) == ["queued", "running", "progress", "succeeded"]


def test_old_idempotency_keys_are_forgotten(ledger: Ledger) -> None:
    with ledger.database.transaction() as conn:
        for key, age in (("old", "25 hours"), ("new", "23 hours")):
            conn.execute(
                "INSERT INTO idempotency_keys (actor, key, request_hash, created_at)"
                " VALUES ('a', %s, '', now() - %s::interval)",
                [key, age],
            )
    sweeps.prune()
    with ledger.database.reading() as conn:
        assert conn.execute("SELECT key FROM idempotency_keys").fetchall() == [("new",)]


def test_pages_are_taken_until_one_comes_back_short(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "_PAGE", 2)
    ids = [ledger.submit("probe.noop", Number(), send=False) for _ in range(5)]
    with ledger.database.transaction() as conn:
        conn.execute("UPDATE jobs SET sent_at = NULL")
    assert sweeps.relay(ledger.database) == 5
    assert dispatch.queue_depths()["db"] == 5
    with ledger.database.transaction() as conn:
        for job_id in ids:
            attempts.claim(conn, job_id, worker="w", lease=timedelta(seconds=-1))
    assert sweeps.rescue(ledger.database) == 5


def test_one_sweep_of_a_kind_runs_at_a_time(ledger: Ledger) -> None:
    ledger.submit("probe.noop", Number(), send=False)
    with ledger.database.transaction() as conn:
        conn.execute("UPDATE jobs SET sent_at = NULL")
    with single_flight(ledger.database, "sweeps.jobs") as mine:
        assert mine
        sweeps.sweep_jobs()
        assert dispatch.queue_depths()["db"] == 0
    sweeps.sweep_jobs()
    assert dispatch.queue_depths()["db"] == 1


def test_a_schedule_that_finds_its_job_under_way_notes_that_one(ledger: Ledger) -> None:
    entry = ENTRIES[0]
    sweeps.fire(entry.name)  # first seen: waits one period
    step = get_step(entry.step)
    with ledger.database.transaction() as conn:
        conn.execute("UPDATE schedule_slots SET at = at - %s", [entry.every])
        (running,) = jobs.submit(conn, [jobs.new_job(step, step.params.model_validate({}), actor="tester")])
    sweeps.fire(entry.name)
    with ledger.database.reading() as conn:
        assert conn.execute("SELECT slot, job_id FROM schedule_slots WHERE slot > 0").fetchall() == [
            (1, running.job_id)
        ]


def test_old_uploads_are_deleted_save_those_that_a_job_still_wants(ledger: Ledger) -> None:
    settings = get_settings()
    artifacts = open_store(settings.artifacts(), settings)
    uploads = uploads_of(artifacts)

    def send(content: bytes) -> str:
        return uploads.publish(upload_manifest(uploads.put(content)))

    forgotten, wanted = send(b"forgotten"), send(b"wanted")
    ledger.submit("probe.join", Texts(first=wanted), send=False)
    for blob in list(uploads.blobs()):
        path = next(settings.tuneyard_home.rglob(blob.sha256))
        os.utime(path, times=(0, 0))
    young = send(b"young")
    sweeps.prune()
    assert uploaded(artifacts, wanted).size == len(b"wanted")
    assert uploads.open(uploaded(artifacts, young)).read() == b"young"
    with pytest.raises(InvalidInputError, match="no such uploaded file"):
        uploaded(artifacts, forgotten)
    assert len(list(uploads.blobs())) == 4
