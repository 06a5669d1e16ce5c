"""The sweep over fine-tunes under way: its requests, what it notes, and that losing it changes nothing."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.db.pool import Database
from shared.db.provider_jobs import list_runs
from shared.llm.policy import llm_policy
from shared.loop.providers import Sweep, Swept
from shared.settings import Settings
from tests.support.chaos import QUICK, SERVER, Chaos, Countdown
from tests.support.fault_provider import Fault, FaultProvider
from tests.support.open_runs import add_open_runs

LIMIT = llm_policy().life_cycle.sweep_requests


@pytest.fixture
def provider() -> Iterator[FaultProvider]:
    with FaultProvider() as server:
        yield server


@pytest.fixture
def chaos(database: Database, settings: Settings, provider: FaultProvider) -> Iterator[Chaos]:
    with Chaos(database, provider, timeout_s=5) as made:
        yield made


def _sweep(chaos: Chaos) -> Swept:
    return Sweep(chaos.database, lambda: chaos.remote, SERVER, QUICK).run()


def _start(chaos: Chaos, seed: int) -> str:
    job_id = chaos.new_job()
    job = chaos.claim(job_id)
    chaos.attempt(job, chaos.wanted(seed), Countdown(None))
    with chaos.database.transaction() as conn:
        conn.execute(
            "UPDATE jobs SET state = 'waiting', lease_until = NULL, run_at = now() + interval '9 minutes'"
            " WHERE id = %s",
            [job_id],
        )
    return job_id


def test_nothing_open_is_no_request(chaos: Chaos) -> None:
    assert _sweep(chaos).requests == 0


def test_five_thousand_open_jobs_cost_no_more_than_the_limit(
    chaos: Chaos, provider: FaultProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.loop.providers._LONGEST_S", 600.0)  # this machine may be busy with other tests
    ids = add_open_runs(chaos, 5000)
    swept = _sweep(chaos)
    assert swept.open == 5000
    assert swept.requests <= LIMIT == 51
    assert len(provider.requests) == swept.requests
    assert swept.changed == 5000
    assert swept.complete
    again = _sweep(chaos)
    assert (again.changed, again.requests) == (0, swept.requests)
    provider.advance(ids[0], "succeeded")  # the oldest, on the last page
    assert _sweep(chaos).changed == 1
    with chaos.database.reading() as conn:
        assert conn.execute("SELECT state FROM provider_jobs WHERE provider_job_id = %s", [ids[0]]).fetchone() == (
            "succeeded",
        )


def test_jobs_whose_runs_have_ended_are_woken_even_if_a_wake_up_was_lost(chaos: Chaos, provider: FaultProvider) -> None:
    job_id = _start(chaos, 1)
    provider.advance(provider.jobs[0].id, "succeeded")
    assert [woken[0] for woken in _sweep(chaos).woken] == [job_id]
    assert _sweep(chaos).woken == []
    with chaos.database.transaction() as conn:
        conn.execute("UPDATE jobs SET run_at = now() + interval '10 minutes'")
    assert [woken[0] for woken in _sweep(chaos).woken] == [job_id]


def test_requests_that_are_left_over_ask_for_events_of_whoever_waited_longest(
    chaos: Chaos, provider: FaultProvider
) -> None:
    for seed in range(5):
        _start(chaos, seed)
    for job in provider.jobs:
        provider.advance(job.id, "running")
        job.train_step(1)
    few = QUICK.model_copy(update={"sweep_requests": 3})
    heard = [Sweep(chaos.database, lambda: chaos.remote, SERVER, few).run().events for _ in range(3)]
    assert sum(heard) == 5 * 2  # started, one step: of every job, though only two are asked a sweep
    with chaos.database.reading() as conn:
        assert conn.execute("SELECT count(DISTINCT run_id) FROM provider_events").fetchone() == (5,)


def test_a_fault_cuts_a_sweep_short_and_what_was_read_stands(chaos: Chaos, provider: FaultProvider) -> None:
    add_open_runs(chaos, 250)
    provider.fail("list", Fault.ERROR_BEFORE, skip=1)
    swept = _sweep(chaos)
    assert (swept.changed, swept.complete) == (100, False)
    assert _sweep(chaos).changed == 150


def test_an_unclear_create_is_adopted_by_the_sweep(chaos: Chaos, provider: FaultProvider) -> None:
    provider.fail("create", Fault.DROP_AFTER)
    _start(chaos, 1)
    _sweep(chaos)
    with chaos.database.reading() as conn:
        (run,) = list_runs(conn)
    assert (run.state, run.provider_job_id) == ("polling", provider.jobs[0].id)


@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE, Fault.DROP_AFTER])
def test_a_cancel_while_the_create_is_unclear_leaves_nothing_billed(
    chaos: Chaos, provider: FaultProvider, fault: Fault
) -> None:
    provider.fail("create", fault)
    job_id = _start(chaos, 1)
    with chaos.database.transaction() as conn:
        conn.execute("UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE id = %s", [job_id])
        conn.execute("UPDATE provider_jobs SET creating_since = now() - interval '1 minute'")
    for _ in range(3 * QUICK.empty_lists):  # longer than before a second create
        _sweep(chaos)
    with chaos.database.reading() as conn:
        (run,) = list_runs(conn)
        assert conn.execute("SELECT count(*) FROM spend").fetchone() == (0,)
    assert run.state == "cancelled"
    assert not any(job.billed for job in provider.jobs)
    assert provider.count("create") == 1


def test_a_cancel_that_comes_too_late_leaves_the_end_as_it_is(chaos: Chaos, provider: FaultProvider) -> None:
    job_id = _start(chaos, 1)
    with chaos.database.transaction() as conn:
        conn.execute("UPDATE jobs SET state = 'cancelled', finished_at = now() WHERE id = %s", [job_id])
    provider.fail("list", Fault.ERROR_BEFORE)
    _sweep(chaos)
    provider.advance(provider.jobs[0].id, "succeeded")
    _sweep(chaos)
    with chaos.database.reading() as conn:
        (run,) = list_runs(conn)
    assert run.state == "succeeded"


def test_a_sweep_that_takes_too_long_ends(
    chaos: Chaos, provider: FaultProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_open_runs(chaos, 250)
    monkeypatch.setattr("shared.loop.providers._LONGEST_S", -1.0)
    assert _sweep(chaos).requests == 0
    assert timedelta(0) < QUICK.backstop  # each job asks for itself in the end
