"""The loop over a pipeline that a provider trains: dry runs, live runs, and what comes in between."""

import json
from typing import Any

import pytest

from shared.contracts import JobState
from shared.llm.provider_model import ProviderModel
from shared.settings import get_settings
from tests.shared.loop.conftest import TuningSchool
from tests.support.fault_provider import Fault, FaultProvider


def _file(tuning: TuningSchool, result: dict[str, Any], name: str) -> bytes:
    manifest = tuning.store.manifest(result["files"]["manifest"])
    with tuning.store.open(manifest.files[name]) as file:
        return file.read()


def _live(tuning: TuningSchool, provider: FaultProvider, rows: int = 100, **params: Any) -> str:
    """Bring a live fine-tune to where the provider has it."""
    tuning.label(rows)
    tuning.run("freeze")
    job_id = tuning.submit("finetune", live=True, **params)
    assert tuning.go(job_id).state is JobState.WAITING
    assert provider.jobs
    return job_id


def test_a_dry_run_sends_nothing_and_writes_what_a_live_run_uploads(
    tuning: TuningSchool, provider: FaultProvider
) -> None:
    tuning.label(100)
    tuning.run("freeze")
    dry = tuning.run("finetune")
    again = tuning.run("finetune")
    assert dry["dry_run"]
    assert dry["model_id"] is None
    assert dry["files"] == again["files"]
    assert provider.requests == []
    assert tuning.runs() == []
    tuning.go(tuning.submit("finetune", live=True))
    (uploaded,) = provider.files.values()
    assert uploaded.data == _file(tuning, dry, "train_openai.jsonl")
    (run,) = tuning.runs()
    assert run.files == dry["files"]
    assert run.file_sha256 == uploaded.sha256
    manifest = json.loads(_file(tuning, dry, "run_manifest.json"))
    assert manifest["base_model"] == "gpt-6-mini"
    assert manifest["training_file"]["sha256"] == uploaded.sha256
    assert manifest["training_file"]["rows"] == uploaded.data.count(b"\n")


def test_a_dry_run_needs_neither_key_nor_address(tuning: TuningSchool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    get_settings.cache_clear()
    tuning.label(100)
    tuning.run("freeze")
    result = tuning.run("finetune")
    assert (result["provider"], result["base_model"]) == ("local", "local-nearest")
    error = tuning.refusal("finetune", live=True)
    assert "no provider" in error["message"]


def test_a_live_run_becomes_a_candidate(tuning: TuningSchool, provider: FaultProvider) -> None:
    job_id = _live(tuning, provider)
    (remote,) = provider.jobs
    (run,) = tuning.runs()
    assert remote.metadata["tuneyard_run"] == run.id
    provider.advance(remote.id, "running")
    tuning.sweep()
    assert tuning.job(job_id).state is JobState.WAITING
    provider.advance(remote.id, "succeeded")
    tuning.sweep()
    job = tuning.finish_waiting(job_id)
    assert job.result is not None
    model = tuning.model(job.result["model_id"])
    assert model.parameters == {
        "provider": "127.0.0.1", "base_model": "gpt-6-mini", "provider_model": remote.record["fine_tuned_model"],
        "method": "supervised", "seed": 1, "hyperparameters": {},
    }  # fmt: skip
    folder = tuning.fetch(model.manifest)
    described = ProviderModel.read(folder)
    assert (described.model, described.provider_job_id) == (remote.record["fine_tuned_model"], remote.id)
    assert described.training_file_sha256 == run.file_sha256
    assert tuning.run("evaluate")["passed"]
    assert tuning.run("promote", model_id=model.id)["promoted"]


def test_what_the_provider_tells_is_shown_as_progress(tuning: TuningSchool, provider: FaultProvider) -> None:
    job_id = _live(tuning, provider)
    (remote,) = provider.jobs
    provider.advance(remote.id, "running")
    for step in (1, 2):
        remote.train_step(step)
    tuning.sweep()
    job = tuning.job(job_id)
    assert (job.message, job.counters) == ("step 2 of 3, loss 0.6667", {"step": 2, "loss": 0.6667})
    assert job.progress == pytest.approx(2 / 3)
    tuning.sweep()  # the same events again change nothing
    assert [e for e in tuning.messages(job_id) if e.startswith("step")] == [
        "step 1 of 3, loss 1", "step 2 of 3, loss 0.6667",
    ]  # fmt: skip
    remote.train_step(3)
    provider.advance(remote.id, "succeeded")
    result = tuning.go(job_id).result
    assert result is not None
    assert (result["metrics"]["steps"], result["metrics"]["loss"]) == (3, 0.5)
    assert result["metrics"]["trained_tokens"] == 3000


def test_an_identical_request_takes_the_finished_model(tuning: TuningSchool, provider: FaultProvider) -> None:
    job_id = _live(tuning, provider)
    provider.advance(provider.jobs[0].id, "succeeded")
    first = tuning.go(job_id).result
    second = tuning.run("finetune", live=True)
    assert first is not None
    assert second["manifest"] == first["manifest"]
    assert second["model_id"] != first["model_id"]
    assert provider.count("create") == 1
    assert len(tuning.runs()) == 1


def test_a_newer_dataset_does_not_make_a_waiting_job_pay_again(tuning: TuningSchool, provider: FaultProvider) -> None:
    job_id = _live(tuning, provider)
    (run,) = tuning.runs()
    tuning.label(50, start=1000)
    tuning.run("freeze")
    provider.advance(provider.jobs[0].id, "succeeded")
    result = tuning.go(job_id).result
    assert result is not None
    assert result["dataset_id"] == run.dataset_id
    assert provider.count("create") == 1


def test_a_cancelled_job_is_cancelled_at_the_provider(tuning: TuningSchool, provider: FaultProvider) -> None:
    job_id = _live(tuning, provider)
    tuning.cancel(job_id)
    tuning.sweep()
    assert [job.status for job in provider.jobs] == ["cancelled"]
    (run,) = tuning.runs()
    assert run.state == "cancelled"
    before = len(provider.requests)
    tuning.sweep()
    assert len(provider.requests) == before
    tuning.retry(job_id)
    tuning.go(job_id)
    assert [job.status for job in provider.jobs] == ["cancelled", "validating_files"]


def test_a_closed_account_is_never_asked_again_and_told_what_to_do(
    tuning: TuningSchool, provider: FaultProvider
) -> None:
    provider.fail("create", Fault.CLOSED, times=None)
    tuning.label(100)
    tuning.run("freeze")
    error = tuning.refusal("finetune", live=True)
    assert error["code"] == "provider-closed"
    assert "OPENAI_BASE_URL" in error["advice"]
    assert provider.count("create") == 1
    assert tuning.runs()[0].state == "provider_closed"


def test_a_model_that_is_blocked_after_training_is_a_class_of_its_own(
    tuning: TuningSchool, provider: FaultProvider
) -> None:
    job_id = _live(tuning, provider)
    provider.advance(provider.jobs[0].id, "safety")
    job = tuning.go(job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "failed-after-training"
    assert "safety evaluation" in job.error["message"]


def test_a_budget_stops_it_before_anything_is_sent(
    tuning: TuningSchool, provider: FaultProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_JOB_BUDGET_USD", "0.000001")
    get_settings.cache_clear()
    tuning.label(100)
    tuning.run("freeze")
    error = tuning.refusal("finetune", live=True, base_model="gpt-4o-mini-2024-07-18")
    assert error["code"] == "budget-exceeded"
    assert provider.requests == []
    assert tuning.runs()[0].state == "failed"


def test_a_training_file_that_breaks_the_rules_is_refused_before_anything_is_sent(
    tuning: TuningSchool, provider: FaultProvider
) -> None:
    tuning.label(30)
    with tuning.database.transaction() as conn:
        conn.execute("UPDATE ml_data SET query = '  '")
    tuning.run("freeze")
    error = tuning.refusal("finetune", live=True)
    assert error["code"] == "training-file-refused"
    assert "line 1" in error["details"]["faults"][0]
    assert provider.requests == []


def test_another_provider_meanwhile_is_waited_for(
    tuning: TuningSchool, provider: FaultProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = _live(tuning, provider)
    with FaultProvider() as other:
        monkeypatch.setenv("OPENAI_BASE_URL", other.url)
        get_settings.cache_clear()
        job = tuning.go(job_id)
        assert job.state is JobState.WAITING
        assert "set OPENAI_BASE_URL to it again" in tuning.messages(job_id)[-1]
        tuning.sweep()
        assert other.requests == []


def test_retraining_ends_with_a_dry_run_unless_it_is_live(tuning: TuningSchool, provider: FaultProvider) -> None:
    tuning.label(100)
    dry = tuning.run("retrain")
    assert not dry["promoted"]
    assert dry["sentence"].startswith("Nothing was sent: ")
    assert provider.requests == []
    job_id = tuning.submit("retrain", live=True)
    tuning.go(job_id, times=3)
    provider.advance(provider.jobs[0].id, "succeeded")
    job = tuning.go(job_id, times=4)
    assert job.result is not None
    assert job.result["promoted"]
    assert tuning.active() == job.result["model_id"]
    assert provider.count("create") == 1


def test_the_key_is_written_nowhere(
    tuning: TuningSchool, provider: FaultProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    provider.fail("upload", Fault.UNAUTHORIZED)
    tuning.label(100)
    tuning.run("freeze")
    tuning.refusal("finetune", live=True)
    provider.fail("*", Fault.DROP_AFTER, times=None)
    job_id = tuning.submit("finetune", live=True)
    for _ in range(3):
        tuning.go(job_id)
        tuning.sweep()
    said = capfd.readouterr()
    with tuning.database.reading() as conn:
        kept = [
            str(conn.execute(f"SELECT * FROM {table}").fetchall())
            for table in ("jobs", "job_events", "provider_jobs", "provider_events", "alerts", "spend")
        ]
    assert "sk-canary-of-the-tests" not in "".join([said.out, said.err, *kept])
