"""``llm.doctor`` and ``llm.resolve`` through the real ledger, against a provider on a real socket."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.db import provider_jobs
from shared.db.provider_jobs import ProviderJob
from shared.llm import budget
from shared.llm.budget import Cost
from shared.loop.doctor import DoctorResult
from shared.settings import get_settings
from tests.support.fault_jobs import ORGANIZATION
from tests.support.fault_provider import Fault, FaultProvider
from tests.support.provider_runs import UpTo, add_run
from tests.support.school import School


@pytest.fixture
def llm(school: School) -> School:
    """The steps that belong to no pipeline; this process is their worker."""
    return replace(school, pipeline="llm")


@pytest.fixture
def provider(llm: School, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProvider]:
    with FaultProvider() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        get_settings.cache_clear()
        yield server


def begin(llm: School, provider: FaultProvider, up_to: UpTo, provider_job_id: str = "ftjob-1") -> ProviderJob:
    """Begin a run at the provider, with a job that waits for it."""
    with llm.database.transaction() as conn:
        return add_run(conn, server=provider.url, up_to=up_to, provider_job_id=provider_job_id)


def accept(provider: FaultProvider, run: ProviderJob) -> str:
    """Let the provider have a job for a run; return its id."""
    (job_id,) = provider.add_jobs(1, metadata=lambda _: {"tuneyard_run": run.id})
    return job_id


def now(llm: School, run: ProviderJob) -> ProviderJob:
    with llm.database.reading() as conn:
        return provider_jobs.get(conn, run.id)


def examine(llm: School, **params: Any) -> DoctorResult:
    return DoctorResult.model_validate(llm.run("doctor", **params))


def awake(llm: School, run: ProviderJob) -> bool:
    with llm.database.reading() as conn:
        due = conn.execute("SELECT run_at <= now() FROM jobs WHERE id = %s", [run.job_id]).fetchone()
    return due == (True,)


# --- the doctor -----------------------------------------------------------------------------------------------------


def test_a_job_that_nobody_knows_is_answered_by_where_to_look(llm: School, provider: FaultProvider) -> None:
    refused = llm.refusal("doctor", job_id="ftjob-nobody")
    assert refused["code"] == "not-found"
    assert "--list" in refused["advice"]


def test_a_healthy_provider(llm: School, provider: FaultProvider) -> None:
    run = begin(llm, provider, "preflight")
    provider.add_jobs(3, metadata=lambda _: {})
    seen = examine(llm)
    assert seen.healthy
    assert seen.sentence == "all is as it should be"
    assert (seen.provider, seen.server, seen.complete) == ("127.0.0.1", provider.url, True)
    assert (seen.ours, seen.theirs, seen.foreign) == (1, 3, 3)
    assert seen.organizations_seen == (ORGANIZATION,)
    assert (seen.findings, seen.fine_tunes) == ((), ())
    assert [line.run_id for line in examine(llm, list_all=True).fine_tunes] == [run.id, None, None, None]


def test_drift_is_found_and_nothing_is_changed(llm: School, provider: FaultProvider) -> None:
    unclear = begin(llm, provider, "create_unknown")
    accepted = accept(provider, unclear)
    lost = begin(llm, provider, "polling", "ftjob-gone")
    asked = provider.count()
    seen = examine(llm)
    assert provider.count() == asked + 1
    assert not seen.healthy
    assert {(found.kind, found.run_id) for found in seen.findings} == {
        ("not-adopted", unclear.id),
        ("unknown-there", lost.id),
    }
    assert {line.provider_job_id for line in seen.fine_tunes} == {accepted, "ftjob-gone"}
    assert now(llm, unclear) == unclear
    assert now(llm, lost) == lost


@pytest.mark.parametrize("named", ["theirs", "second", "ours"])
def test_one_fine_tune_is_shown_with_its_events(llm: School, provider: FaultProvider, named: str) -> None:
    run = begin(llm, provider, "create_unknown")
    first, second = accept(provider, run), accept(provider, run)
    with llm.database.transaction() as conn:
        conn.execute(
            "UPDATE provider_jobs SET state = 'polling', provider_job_id = %s, last_seen_at = now() WHERE id = %s",
            [first, run.id],
        )
    provider.job(first).train_step(1)
    seen = examine(llm, job_id={"theirs": first, "second": second, "ours": run.id}[named])
    assert [found.kind for found in seen.findings] == ["two-jobs"]
    assert {line.provider_job_id for line in seen.fine_tunes} == {first, second}
    if named != "second":
        assert seen.events[-1].step == 1
        assert seen.events[-1].loss == 1.0


def test_a_fine_tune_that_nobody_knows(llm: School, provider: FaultProvider) -> None:
    assert llm.refusal("doctor", job_id="ftjob-nobody")["code"] == "not-found"
    assert llm.refusal("doctor", job_id="pj_" + "0" * 32)["code"] == "not-found"
    run = begin(llm, provider, "polling", "ftjob-gone")
    seen = examine(llm, job_id="ftjob-gone")
    assert [(found.kind, found.run_id) for found in seen.findings] == [("unknown-there", run.id)]


@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.DROP_BEFORE, Fault.BUSY, Fault.GARBAGE_AFTER])
def test_a_provider_that_does_not_answer_is_a_finding(llm: School, provider: FaultProvider, fault: Fault) -> None:
    run = begin(llm, provider, "polling")
    provider.fail("*", fault, times=None)
    for params in ({}, {"job_id": run.id}):
        seen = examine(llm, **params)
        assert [found.kind for found in seen.findings] == ["provider"]
        assert seen.findings[0].advice
        assert not seen.complete


def test_the_organisation_is_compared(llm: School, provider: FaultProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-ours")
    get_settings.cache_clear()
    accept(provider, begin(llm, provider, "create_unknown"))
    found = {finding.kind: finding.sentence for finding in examine(llm).findings}
    assert found["organization"].endswith(f"counted for {ORGANIZATION}, and OPENAI_ORG_ID is org-ours")


def test_no_key_or_address_leaks(llm: School, provider: FaultProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url.replace("http://", "http://user:canary@"))
    get_settings.cache_clear()
    assert "canary" not in examine(llm, list_all=True).model_dump_json()


# --- what a person decides ------------------------------------------------------------------------------------------


def test_a_job_is_adopted(llm: School, provider: FaultProvider) -> None:
    run = begin(llm, provider, "create_unknown")
    job_id = accept(provider, run)
    decided = llm.run("resolve", run_id=run.id, action="adopt", provider_job_id=job_id)
    assert decided["sentence"] == f"{run.id} goes on with {job_id}, which is running."
    assert (now(llm, run).state, now(llm, run).provider_job_id) == ("polling", job_id)
    assert awake(llm, run)
    assert llm.refusal("resolve", run_id=run.id, action="retry")["code"] == "conflict"


def test_a_job_that_has_ended_is_adopted_with_its_model(llm: School, provider: FaultProvider) -> None:
    run = begin(llm, provider, "create_unknown")
    job_id = accept(provider, run)
    provider.advance(job_id, "succeeded")
    assert llm.run("resolve", run_id=run.id, action="adopt", provider_job_id=job_id)["state"] == "succeeded"
    assert now(llm, run).fine_tuned_model == provider.job(job_id).record["fine_tuned_model"]
    for decision in ({"action": "retry"}, {"action": "adopt", "provider_job_id": job_id}):
        refused = llm.refusal("resolve", run_id=run.id, **decision)
        assert "nothing to decide" in refused["message"]
        assert str(now(llm, run).fine_tuned_model) in refused["advice"]


def test_only_a_job_of_this_run_is_adopted(llm: School, provider: FaultProvider) -> None:
    run, other = begin(llm, provider, "create_unknown"), begin(llm, provider, "create_unknown")
    theirs = accept(provider, other)
    assert llm.refusal("resolve", run_id=run.id, action="adopt", provider_job_id=theirs)["code"] == "invalid-input"
    gone = llm.refusal("resolve", run_id=run.id, action="adopt", provider_job_id="ftjob-gone")
    assert gone["code"] == "provider-rejected"
    (unnamed,) = provider.add_jobs(1, metadata=lambda _: {})
    llm.run("resolve", run_id=run.id, action="adopt", provider_job_id=unnamed)
    taken = llm.refusal("resolve", run_id=other.id, action="adopt", provider_job_id=unnamed)
    assert taken["code"] == "conflict"
    assert now(llm, other).state == "create_unknown"


def test_it_is_asked_for_again_only_if_the_provider_has_nothing(llm: School, provider: FaultProvider) -> None:
    run = begin(llm, provider, "create_unknown")
    job_id = accept(provider, run)
    refused = llm.refusal("resolve", run_id=run.id, action="retry")
    assert refused["code"] == "conflict"
    assert refused["advice"] == f"tuneyard llm resolve {run.id} --adopt {job_id}"
    assert now(llm, run).state == "create_unknown"
    provider.advance(job_id, "cancelled")
    assert llm.run("resolve", run_id=run.id, action="retry")["state"] == "upload"
    assert awake(llm, run)


def test_nothing_is_asked_for_again_while_the_provider_is_silent(llm: School, provider: FaultProvider) -> None:
    run = begin(llm, provider, "create_unknown")
    provider.fail("list", Fault.UNAUTHORIZED, times=None)
    assert llm.refusal("resolve", run_id=run.id, action="retry")["code"] == "provider-rejected"
    assert now(llm, run) == run


def test_what_is_given_up_is_cancelled_there_and_costs_nothing(llm: School, provider: FaultProvider) -> None:
    run = begin(llm, provider, "create_unknown")
    job_id = accept(provider, run)
    reserve(llm, run)
    decided = llm.run("resolve", run_id=run.id, action="give-up")
    assert decided["sentence"] == f"{run.id} is given up; the provider has nothing of it under way."
    assert not now(llm, run).is_open
    assert provider.job(job_id).status == "cancelled"
    assert spent(llm) == 0
    assert awake(llm, run)
    assert llm.refusal("resolve", run_id=run.id, action="give-up")["code"] == "conflict"


@pytest.mark.parametrize("silent", [True, False])
def test_what_may_be_billed_stays_counted(llm: School, provider: FaultProvider, silent: bool) -> None:
    run = begin(llm, provider, "create_unknown")
    job_id = accept(provider, run)
    reserve(llm, run)
    if silent:
        provider.fail("list", Fault.DROP_BEFORE, times=None)
    else:
        provider.advance(job_id, "succeeded")
    decided = llm.run("resolve", run_id=run.id, action="give-up")
    assert "its estimated cost stays counted" in decided["sentence"]
    assert not now(llm, run).is_open
    assert spent(llm) == run.estimated_usd


def test_a_decision_must_be_one(llm: School, provider: FaultProvider) -> None:
    for wrong in ({"action": "adopt"}, {"action": "retry", "provider_job_id": "ftjob-1"}):
        with pytest.raises(ValueError, match="provider_job_id goes with the action adopt"):
            llm.submit("resolve", run_id="pj_" + "0" * 32, **wrong)


def test_a_run_elsewhere_is_not_touched(llm: School, provider: FaultProvider) -> None:
    with llm.database.transaction() as conn:
        run = add_run(conn, server="llm.example.org", up_to="create_unknown")
    for params in ({"action": "retry"}, {"action": "give-up"}, {"action": "adopt", "provider_job_id": "ftjob-1"}):
        assert "not the present provider" in llm.refusal("resolve", run_id=run.id, **params)["message"]
    assert [found.kind for found in examine(llm).findings] == ["other-server"]
    assert provider.count() == 1


def reserve(llm: School, run: ProviderJob) -> None:
    cost = Cost(provider=run.provider, model=run.base_model, purpose="fine-tune", usd=run.estimated_usd)
    with llm.database.transaction() as conn:
        budget.reserve(conn, run.id, cost)


def spent(llm: School) -> float:
    with llm.database.reading() as conn:
        return budget.month_total(conn).spent
