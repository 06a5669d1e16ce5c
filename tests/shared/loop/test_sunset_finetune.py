"""Fine-tunes and the end of their base models: what is refused before it costs money, and what before it is used."""

from datetime import timedelta

from shared.contracts import JobState
from shared.db import sunsets
from shared.db.jobs import Job
from tests.shared.loop.conftest import TuningSchool
from tests.support.fault_provider import FaultProvider

HOST = "127.0.0.1"
BASE = "gpt-6-mini"


def announce(tuning: TuningSchool, days: int) -> None:
    """Let the provider's list of models have said that the base model ends in so many days."""
    with tuning.database.transaction() as conn:
        sunsets.replace(conn, HOST, {BASE: sunsets.today(conn) + timedelta(days=days)})


def retrain(tuning: TuningSchool, provider: FaultProvider, **params: object) -> Job:
    """Retrain at a provider that trains at once."""
    provider.auto = True
    job_id = tuning.submit("retrain", live=True, **params)
    for _ in range(20):
        if tuning.go(job_id).is_final:
            break
    job = tuning.job(job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    return job


def test_nothing_is_sent_for_a_base_model_that_has_ended(tuning: TuningSchool, provider: FaultProvider) -> None:
    announce(tuning, 0)
    tuning.label(60)
    tuning.run("freeze")
    error = tuning.refusal("finetune", live=True)
    assert error["code"] == "provider-closed"
    assert "nothing was sent" in error["message"]
    assert "/openai/v1" in error["advice"]
    assert provider.count() == 0
    assert [run.state for run in tuning.runs()] == ["provider_closed"]
    assert tuning.run("finetune")["dry_run"]  # its files may still be made, for another provider


def test_a_fine_tune_that_ends_soon_is_promoted_only_if_that_is_accepted(
    tuning: TuningSchool, provider: FaultProvider
) -> None:
    announce(tuning, 30)
    tuning.label(60)
    refused = retrain(tuning, provider).result
    assert refused is not None
    assert not refused["promoted"]
    assert f"the model {BASE} of {HOST} ends on" in refused["sentence"]
    assert tuning.active() is None
    accepted = retrain(tuning, provider, accept_sunset=True).result
    assert accepted is not None
    assert accepted["promoted"]
    assert "Accepted although" in tuning.history()[0].reason
    assert provider.count("create") == 1  # the same data and base model are one fine-tune, paid for once
