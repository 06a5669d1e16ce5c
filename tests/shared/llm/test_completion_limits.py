"""How much a provider is asked at once and in a minute, and what completions may cost: over all processes."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.db import completions as rows
from shared.db.completions import Limits
from shared.db.pool import Database
from shared.errors import RefusedError, UnavailableError
from shared.llm import budget
from shared.llm.budget import Budget
from shared.llm.completions import tidy
from shared.llm.connection import Provider
from shared.llm.limits import Limiter, LimitPolicy, NotYet, Permit, decide
from shared.llm.metering import Meter
from shared.settings import Settings
from tests.support.askers import asking, question
from tests.support.fault_provider import Fault, FaultProvider
from tests.support.hostile_model import HostileModel, completion

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LEASE = timedelta(seconds=10)
SECONDS = st.floats(-100, 100).map(lambda s: NOW + timedelta(seconds=s))


# --- the decision ---------------------------------------------------------------------------------------------------


@given(
    state=st.builds(
        Limits,
        allowance=st.floats(-10, 1_000),
        refilled_at=st.none() | SECONDS,
        blocked_until=st.none() | SECONDS,
        slots=st.lists(st.none() | SECONDS, max_size=6),
        now=st.just(NOW),
    ),
    policy=st.builds(
        LimitPolicy, at_once=st.integers(1, 5), per_minute=st.none() | st.floats(0.1, 10_000), burst_s=st.floats(0, 60)
    ),
)
def test_leave_is_given_only_when_nothing_stands_against_it(state: Limits, policy: LimitPolicy) -> None:
    decision = decide(state, policy, LEASE)
    blocked = state.blocked_until is not None and state.blocked_until > NOW
    busy = [slot for slot in state.slots[: policy.at_once] if slot is not None and slot > NOW]
    if isinstance(decision, Permit):
        assert not blocked
        assert len(busy) < policy.at_once
        assert 1 <= decision.slot <= policy.at_once
        taken = state.slots[decision.slot - 1] if decision.slot <= len(state.slots) else None
        assert taken is None or taken <= NOW
        assert decision.until == NOW + LEASE
        assert 0 <= decision.allowance <= policy.burst - 1
    elif decision.after_s is None:
        assert len(busy) == policy.at_once
    else:
        assert decision.after_s > 0
        assert blocked or policy.per_minute is not None


def test_the_allowance_grows_with_time() -> None:
    policy = LimitPolicy(at_once=5, per_minute=60, burst_s=3)
    empty = Limits(allowance=0.25, refilled_at=NOW, blocked_until=None, slots=[], now=NOW)
    assert decide(empty, policy, LEASE) == NotYet(after_s=0.75)
    later = Limits(allowance=0.25, refilled_at=NOW, blocked_until=None, slots=[], now=NOW + timedelta(seconds=1))
    assert decide(later, policy, LEASE) == Permit(slot=1, until=later.now + LEASE, allowance=0.25)


# --- over processes -------------------------------------------------------------------------------------------------


def test_no_more_are_asked_at_once_than_may_be(database: Database, dsn: str) -> None:
    lock, at_once, most = threading.Lock(), 0, 0

    def script(_: dict[str, Any]) -> list[bytes]:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        threading.Event().wait(0.03)
        with lock:
            at_once -= 1
        return [completion("x")]

    other = Database(dsn)
    bounds: dict[str, Any] = {"limits": LimitPolicy(at_once=3, per_minute=None), "timeout_s": 30}
    with (
        HostileModel(script) as model,
        asking(model.url, database, **bounds) as one,
        asking(model.url, other, **bounds) as two,
        ThreadPoolExecutor(12) as threads,
    ):
        list(threads.map(lambda n: (one, two)[n % 2].complete(question(str(n)), purpose="test"), range(40)))
        assert len(model.asked) == 40
    other.close()
    assert most == 3
    with database.reading() as conn:
        assert conn.execute("SELECT slots FROM llm_limits").fetchone() == ([None, None, None],)


def test_no_more_are_asked_in_a_minute_than_may_be(database: Database) -> None:
    policy = LimitPolicy(at_once=20, per_minute=1200, burst_s=0.25)  # 20 a second, 5 at once
    with HostileModel(completion("x")) as model, asking(model.url, database, limits=policy) as completions:
        began = time.monotonic()
        completions.complete_many([question(str(n)) for n in range(25)], purpose="test")
        assert time.monotonic() - began >= (25 - policy.burst) / 20
        assert len(model.asked) == 25


def test_a_second_try_needs_leave_too(database: Database) -> None:
    policy = LimitPolicy(at_once=1, per_minute=0.001, burst_s=120_000)  # two requests, then none for hours
    with FaultProvider() as server, asking(server.url, database, limits=policy) as completions:
        server.fail("chat", Fault.ERROR_BEFORE, times=None)
        with pytest.raises(UnavailableError) as caught:
            completions.complete(question(), purpose="test")
        assert caught.value.instance_code == "provider-busy"
        assert caught.value.details["requests"] == server.count("chat") == 2


def test_a_dead_process_gives_its_slot_back(database: Database) -> None:
    limiter = Limiter(database, "p", LimitPolicy(at_once=1, per_minute=None))
    dead = limiter.acquire(time.monotonic() + 5, timedelta(seconds=2))
    with pytest.raises(UnavailableError):
        limiter.acquire(time.monotonic() + 0.1, LEASE)
    heir = limiter.acquire(time.monotonic() + 5, LEASE)
    with database.transaction() as conn:
        limiter.release(conn, dead)  # it was only frozen, and comes back late
        assert rows.lock_limits(conn, "p").slots == [heir.until]
        limiter.release(conn, heir)
        assert rows.lock_limits(conn, "p").slots == [None]


def test_providers_do_not_wait_for_each_other(database: Database) -> None:
    policy = LimitPolicy(at_once=1, per_minute=None)
    for name in ("one", "two"):
        Limiter(database, name, policy).acquire(time.monotonic() + 0.1, LEASE)


def test_our_own_trainer_has_no_limit_by_the_minute(settings: Settings) -> None:
    from shared.llm.chat import CallPolicy

    local = Provider(name="local", base_url="http://x/openai/v1", api_key="")
    other = Provider(name="openai", base_url="http://x/v1", api_key="")
    assert CallPolicy.of(settings, local).limits.per_minute is None
    assert CallPolicy.of(settings, other).limits.per_minute == settings.llm_requests_per_minute


# --- money ----------------------------------------------------------------------------------------------------------


def _spend(database: Database) -> list[Any]:
    with database.reading() as conn:
        return conn.execute("SELECT kind, purpose, job_id, tokens_in, tokens_out, usd::float8 FROM spend").fetchall()


def test_each_answer_is_booked(settings: Settings, database: Database) -> None:
    with HostileModel(completion("x")) as model, asking(model.url, database) as completions:
        answer = completions.complete(question(), purpose="gold.infer", job_id="job_1")
    assert answer.cost_usd == pytest.approx((11 * 0.15 + 7 * 0.60) / 1e6)
    assert _spend(database) == [("booked", "gold.infer", "job_1", 11, 7, pytest.approx(answer.cost_usd, abs=1e-8))]


def test_what_is_free_is_not_booked(settings: Settings, database: Database) -> None:
    with HostileModel(completion("x")) as model, asking(model.url, database, name="local") as completions:
        assert completions.complete(question(), purpose="test").cost_usd == 0
    assert _spend(database) == []


def test_what_was_refused_costs_nothing(settings: Settings, database: Database) -> None:
    with FaultProvider() as server, asking(server.url, database) as completions:
        server.fail("chat", Fault.REJECTED, times=None)
        with pytest.raises(RefusedError):
            completions.complete(question(), purpose="test")
    assert _spend(database) == []


def test_what_broke_off_is_counted_with_what_it_can_have_cost(settings: Settings, database: Database) -> None:
    with FaultProvider() as server, asking(server.url, database) as completions:
        server.fail("chat", Fault.DROP_AFTER)
        answer = completions.complete(question(max_tokens=100), purpose="test")
    ((kind, _, _, _, tokens_out, usd),) = _spend(database)
    assert (kind, tokens_out) == ("booked", 100 + answer.completion_tokens)
    assert usd == pytest.approx(answer.cost_usd, abs=1e-8)
    assert usd > 100 * 0.60 / 1e6


def test_a_used_up_budget_stops_before_anything_is_sent(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HostileModel(completion("x")) as model, asking(model.url, database) as completions:
        cheap, dear = question(max_tokens=10), question(max_tokens=1_000_000)
        monkeypatch.setattr(completions._asker._meter, "_limits", Budget(month_usd=0.01, job_usd=1))
        assert completions.complete(cheap, purpose="test").text == "x"
        with pytest.raises(RefusedError) as caught:
            completions.complete(dear, purpose="test")
        assert caught.value.instance_code == budget.EXCEEDED
        assert "LLM_MONTHLY_BUDGET_USD" in caught.value.advice
        assert len(model.asked) == 1
        monkeypatch.setattr(completions._asker._meter, "_limits", Budget(month_usd=1, job_usd=1))
        assert completions.complete(dear, purpose="test").text == "x"  # nobody waits for who was refused


def test_those_who_ask_at_once_cannot_pass_the_budget_together(settings: Settings, database: Database) -> None:
    meter = Meter(Provider(name="openai", base_url="http://x", api_key=""), Budget(month_usd=0.01, job_usd=1))

    def reserve(n: int) -> bool:
        try:
            with database.transaction() as conn:
                return meter.reserve(conn, "gpt-4o-mini", (10, 5_000), purpose="test", job_id=None) is not None
        except RefusedError:
            return False

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(reserve, range(16))) == 3  # 0.003 each
    with database.reading() as conn:
        assert budget.month_total(conn).spent <= 0.01


def test_what_a_dead_asker_had_reserved_goes_on_counting(settings: Settings, database: Database) -> None:
    meter = Meter(Provider(name="openai", base_url="http://x", api_key=""))
    with database.transaction() as conn:
        meter.reserve(conn, "gpt-4o-mini", (10, 5_000), purpose="test", job_id=None)
        before = budget.month_total(conn).spent
    tidy(database)
    assert _spend(database)[0][0] == "reserved"
    with database.transaction() as conn:
        conn.execute("UPDATE spend SET at = now() - interval '2 hours' WHERE now() - interval '2 hours' < at")
    tidy(database)
    ((kind, *_, usd),) = _spend(database)
    assert (kind, usd) == ("booked", pytest.approx(before))
