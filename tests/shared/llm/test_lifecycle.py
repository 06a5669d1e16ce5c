"""A fine-tune's life, fault by fault: the cases behind the chaos, each by its name."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.db import alerts, attempts
from shared.db.pool import Database
from shared.db.provider_jobs import ProviderJob
from shared.errors import ConflictError, LeaseLostError, RefusedError
from shared.llm import resolving
from shared.llm.lifecycle import Lifecycle
from shared.pipeline import Wait
from shared.settings import Settings
from tests.support.chaos import QUICK, SERVER, Chaos, Countdown, DyingRun
from tests.support.fault_provider import Fault, FaultProvider
from tests.support.small_http import Reply, Request
from tests.support.waiting import wait_until


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as server:
        yield server


@pytest.fixture
def chaos(database: Database, settings: Settings, provider: FaultProvider) -> Iterator[Chaos]:
    with Chaos(database, provider, timeout_s=0.5) as made:
        yield made


def _go(chaos: Chaos, job_id: str, seed: int = 1) -> ProviderJob | Wait:
    """Make one attempt that nothing disturbs."""
    job = chaos.claim(job_id)
    try:
        return chaos.attempt(job, chaos.wanted(seed), Countdown(None))
    finally:
        chaos.rest(job, crashed=True)


def _run(chaos: Chaos, job_id: str) -> ProviderJob:
    run = chaos.run_of(job_id)
    assert run is not None
    return run


def _alerts(chaos: Chaos) -> list[str]:
    with chaos.database.reading() as conn:
        return [alert.kind for alert in alerts.list_alerts(conn)]


def _until(chaos: Chaos, job_id: str, state: str) -> ProviderJob:
    """Make attempts until the run is in this state."""

    def there() -> ProviderJob | None:
        _go(chaos, job_id)
        return run if (run := _run(chaos, job_id)).state == state else None

    return wait_until(there)


def _until_parked(chaos: Chaos, job_id: str) -> ProviderJob:
    def parked() -> ProviderJob | None:
        _go(chaos, job_id)
        return run if (run := _run(chaos, job_id)).parked_at else None

    return wait_until(parked)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.ERROR_AFTER, Fault.DROP_AFTER, Fault.SLOW_AFTER, Fault.CUT_AFTER, Fault.GARBAGE_AFTER,
        Fault.TIMEOUT_AFTER,
    ],
)  # fmt: skip
def test_a_create_whose_answer_was_lost_is_found_and_not_sent_again(
    chaos: Chaos, provider: FaultProvider, fault: Fault
) -> None:
    provider.fail("create", fault)
    job_id = chaos.new_job()
    assert isinstance(_go(chaos, job_id), Wait)
    assert _run(chaos, job_id).state == "create_unknown"
    _go(chaos, job_id)
    assert _run(chaos, job_id).provider_job_id == provider.jobs[0].id
    assert provider.count("create") == 1


@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.DROP_BEFORE, Fault.SLOW_BEFORE, Fault.CONFLICT_BEFORE])
def test_an_unclear_create_is_sent_again_only_after_lists_and_time(
    chaos: Chaos, provider: FaultProvider, fault: Fault
) -> None:
    provider.fail("create", fault)
    job_id = chaos.new_job()
    _go(chaos, job_id)
    _go(chaos, job_id)
    run = _run(chaos, job_id)
    assert (run.state, run.empty_lists) == ("create_unknown", 1)
    assert provider.count("create") == 1
    _until(chaos, job_id, "polling")
    assert provider.count("create") == 2
    assert len(provider.jobs) == 1


def test_time_alone_does_not_allow_a_second_create(chaos: Chaos, provider: FaultProvider) -> None:
    provider.fail("create", Fault.DROP_BEFORE)
    provider.fail("list", Fault.ERROR_BEFORE, times=None, skip=1)
    job_id = chaos.new_job()
    _go(chaos, job_id)
    with chaos.database.transaction() as conn:
        conn.execute("UPDATE provider_jobs SET creating_since = now() - interval '1 hour'")
    for _ in range(5):
        assert isinstance(_go(chaos, job_id), Wait)
    run = _run(chaos, job_id)
    assert (run.state, run.empty_lists, provider.count("create")) == ("create_unknown", 0, 1)
    assert run.parked_at
    assert _alerts(chaos) == ["fine-tune-parked"]
    provider.heal()
    for _ in range(5):
        _go(chaos, job_id)
    assert provider.count("create") == 1  # it is for a person now


def test_after_two_unclear_creates_a_person_decides(chaos: Chaos, provider: FaultProvider) -> None:
    provider.fail("create", Fault.DROP_BEFORE, times=2)
    job_id = chaos.new_job()
    _until_parked(chaos, job_id)
    outcome = _go(chaos, job_id)
    assert isinstance(outcome, Wait)
    assert outcome.after == QUICK.parked
    assert "tuneyard llm resolve" in outcome.reason
    assert _alerts(chaos) == ["fine-tune-parked"]
    with chaos.database.transaction() as conn:
        resolving.allow_create(conn, _run(chaos, job_id).id)
    _go(chaos, job_id)
    assert _run(chaos, job_id).state == "polling"
    assert (provider.count("create"), len(provider.jobs)) == (3, 1)


def test_a_person_may_name_the_job_or_give_up(chaos: Chaos, provider: FaultProvider) -> None:
    provider.fail("create", Fault.DROP_BEFORE, times=2)
    job_id = chaos.new_job()
    run = _until_parked(chaos, job_id)
    (remote,) = provider.add_jobs(1, metadata=lambda _: {})
    with chaos.database.transaction() as conn:
        resolving.adopt(conn, run.id, remote)
    provider.advance(remote, "succeeded")
    _go(chaos, job_id)
    assert _run(chaos, job_id).state == "succeeded"
    with chaos.database.transaction() as conn, pytest.raises(ConflictError):
        resolving.adopt(conn, run.id, "ftjob-another")
    with chaos.database.transaction() as conn:
        given_up, _ = resolving.give_up(conn, run.id, "tester")
    assert not given_up.is_open
    second = chaos.new_job()
    _go(chaos, second)
    assert _run(chaos, second).id != run.id


def test_of_two_jobs_the_oldest_counts_and_the_other_is_cancelled(chaos: Chaos, provider: FaultProvider) -> None:
    provider.fail("create", Fault.DROP_AFTER)
    job_id = chaos.new_job()
    _go(chaos, job_id)
    run_id = _run(chaos, job_id).id
    provider.add_jobs(1, metadata=lambda _: {"tuneyard_run": run_id})
    _go(chaos, job_id)
    first, second = provider.jobs
    assert _run(chaos, job_id).provider_job_id == first.id
    assert (first.status, second.status) == ("validating_files", "cancelled")
    assert _alerts(chaos) == ["fine-tune-twice"]


def test_a_second_job_that_shows_up_late_is_cancelled_by_the_sweep(chaos: Chaos, provider: FaultProvider) -> None:
    job_id = chaos.new_job()
    _go(chaos, job_id)
    run_id = _run(chaos, job_id).id
    provider.add_jobs(1, metadata=lambda _: {"tuneyard_run": run_id})
    chaos.sweep(Countdown(None))
    assert [job.status for job in provider.jobs] == ["validating_files", "cancelled"]
    assert _alerts(chaos) == ["fine-tune-twice"]


def test_too_many_requests_accept_nothing_and_are_waited_for(chaos: Chaos, provider: FaultProvider) -> None:
    provider.fail("create", Fault.BUSY, retry_after="7")
    job_id = chaos.new_job()
    outcome = _go(chaos, job_id)
    assert isinstance(outcome, Wait)
    assert outcome.after == timedelta(seconds=7)
    assert (_run(chaos, job_id).state, _run(chaos, job_id).creates) == ("upload", 0)
    _go(chaos, job_id)
    assert len(provider.jobs) == 1


def test_a_retry_after_of_ages_is_not_believed(chaos: Chaos, provider: FaultProvider) -> None:
    provider.fail("upload", Fault.BUSY, retry_after="1e12")
    outcome = _go(chaos, chaos.new_job())
    assert isinstance(outcome, Wait)
    assert outcome.after == QUICK.longest_busy


@pytest.mark.parametrize(
    ("where", "fault", "state"),
    [
        ("create", Fault.REJECTED, "failed"), ("create", Fault.UNAUTHORIZED, "failed"),
        ("create", Fault.CLOSED, "provider_closed"), ("upload", Fault.CLOSED, "provider_closed"),
    ],
)  # fmt: skip
def test_a_refusal_ends_the_run_and_costs_nothing(
    chaos: Chaos, provider: FaultProvider, where: str, fault: Fault, state: str
) -> None:
    provider.fail(where, fault)
    job_id = chaos.new_job()
    with pytest.raises(RefusedError):
        _go(chaos, job_id)
    assert _run(chaos, job_id).state == state
    with chaos.database.reading() as conn:
        assert conn.execute("SELECT count(*) FROM spend").fetchone() == (0,)


def test_a_key_that_was_taken_back_does_not_lose_a_run_under_way(chaos: Chaos, provider: FaultProvider) -> None:
    job_id = chaos.new_job()
    _go(chaos, job_id)
    provider.fail("retrieve", Fault.UNAUTHORIZED)
    with pytest.raises(RefusedError):
        _go(chaos, job_id)
    assert _run(chaos, job_id).state == "polling"
    provider.advance(provider.jobs[0].id, "succeeded")
    _go(chaos, job_id)
    assert _run(chaos, job_id).state == "succeeded"


def test_an_attempt_that_lost_its_lease_sends_nothing(chaos: Chaos, provider: FaultProvider) -> None:
    job_id = chaos.new_job()
    old = chaos.claim(job_id)
    chaos.rest(old, crashed=True)
    new = chaos.claim(job_id)
    with DyingRun(chaos.database, old, Countdown(None)) as run, pytest.raises(LeaseLostError):
        Lifecycle(run, chaos.remote, SERVER, QUICK).begin(chaos.wanted(1))
    chaos.attempt(new, chaos.wanted(1), Countdown(None))
    assert provider.count("create") == 1


def test_an_attempt_frozen_before_its_create_does_not_send_it(
    chaos: Chaos, provider: FaultProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 3600.0, 0.0, 0.0])  # an hour passes between the commit and the request, the first time
    monkeypatch.setattr("shared.llm.lifecycle.monotonic", lambda: next(clock))
    job_id = chaos.new_job()
    _go(chaos, job_id)
    assert (provider.count("list"), provider.count("create")) == (2, 1)  # after the pause it looks again first
    assert _run(chaos, job_id).creates == 1


def test_a_status_that_nobody_knows_is_under_way(chaos: Chaos, provider: FaultProvider) -> None:
    job_id = chaos.new_job()
    _go(chaos, job_id)
    provider.advance(provider.jobs[0].id, "paused")
    outcome = _go(chaos, job_id)
    assert isinstance(outcome, Wait)
    assert (_run(chaos, job_id).state, _run(chaos, job_id).provider_status) == ("polling", "paused")
    assert outcome.after == QUICK.backstop


def test_the_same_request_of_two_jobs_is_one_run(chaos: Chaos, provider: FaultProvider) -> None:
    first, second = chaos.new_job(), chaos.new_job()
    _go(chaos, first)
    outcome = _go(chaos, second)
    assert isinstance(outcome, Wait)
    assert first in outcome.reason
    with chaos.database.transaction() as conn:
        job = attempts.claim(conn, first, worker="x", lease=timedelta(seconds=9))
        assert job
        conn.execute("UPDATE jobs SET state = 'failed', lease_until = NULL, finished_at = now() WHERE id = %s", [first])
    provider.advance(provider.jobs[0].id, "succeeded")
    ended = _go(chaos, second)
    assert isinstance(ended, ProviderJob)
    assert (ended.state, ended.job_id) == ("succeeded", second)
    third = _go(chaos, chaos.new_job())
    assert isinstance(third, ProviderJob)
    assert third.id == ended.id
    assert provider.count("create") == 1


def test_another_seed_is_another_request(chaos: Chaos, provider: FaultProvider) -> None:
    _go(chaos, chaos.new_job(), seed=1)
    _go(chaos, chaos.new_job(), seed=2)
    assert len(provider.jobs) == 2


class _Unfiltered(FaultProvider):
    """A server that does not know the filter by metadata, as some compatible ones."""

    def _handle(self, request: Request) -> Reply:
        kept = tuple(pair for pair in request.query if not pair[0].startswith("metadata"))
        return super()._handle(replace(request, query=kept))


def test_a_server_without_the_filter_shows_no_strangers(database: Database, settings: Settings) -> None:
    with _Unfiltered() as provider, Chaos(database, provider, timeout_s=2) as chaos:
        provider.add_jobs(150, metadata=lambda n: {"tuneyard_run": f"pj_{n}"})
        job_id = chaos.new_job()
        _go(chaos, job_id)
        provider.add_jobs(120, metadata=lambda _: {})
        run = _run(chaos, job_id)
        assert [job.id for job in chaos.remote.find(run.id)] == [run.provider_job_id]
        assert [job.id for job in chaos.remote.find("pj_none", run.file_id)] == [run.provider_job_id]
        assert chaos.remote.find("pj_none") == []


class _Terse(FaultProvider):
    """A server that does not say whether a list goes on."""

    def _handle(self, request: Request) -> Reply:
        reply = super()._handle(request)
        return replace(reply, body=reply.body.replace(b'"has_more"', b'"unsaid"'))


def test_a_server_that_does_not_say_whether_a_list_goes_on_is_read_on(database: Database, settings: Settings) -> None:
    with _Terse() as provider, Chaos(database, provider, timeout_s=2) as chaos:
        first, *_ = provider.add_jobs(150, metadata=lambda n: {"tuneyard_run": "pj_0" if n == 0 else "another"})
        page, more = chaos.remote.page()
        assert (len(page), more) == (100, True)
        page, more = chaos.remote.page(page[-1].id)
        assert ([job.id for job in page][-1], more) == (first, False)


def test_what_a_provider_says_to_a_refusal_is_not_kept(chaos: Chaos, provider: FaultProvider) -> None:
    provider.fail("create", Fault.REJECTED)
    with pytest.raises(RefusedError) as caught:
        _go(chaos, chaos.new_job())
    kept: dict[str, Any] = caught.value.as_dict()
    assert "The request was refused." not in str(kept)
    assert "invalid_request_error" in kept["message"]
