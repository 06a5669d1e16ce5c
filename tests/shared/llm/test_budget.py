"""Money: what is reserved, booked and refused, also by many at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from psycopg import Connection

from shared.db import spend
from shared.db.pool import Database
from shared.errors import RefusedError
from shared.llm import budget
from shared.llm.budget import Budget, Cost

COST = Cost(provider="openai", model="gpt-4o-mini-2024-07-18", purpose="fine-tune", usd=4.0, tokens_in=1_000_000)
LIMITS = Budget(month_usd=10.0, job_usd=5.0)


def _sums(conn: Connection) -> tuple[float, float, int]:
    month = budget.month_total(conn)
    return month.reserved, month.booked, month.entries


def test_a_fine_tune_is_reserved_and_settled(database: Database) -> None:
    with database.transaction() as conn:
        assert _sums(conn) == (0, 0, 0)
        budget.reserve(conn, "pj_1", COST, LIMITS)
        assert _sums(conn) == (4.0, 0, 1)
        budget.settle(conn, "pj_1", 3.5, tokens=900_000)
        assert _sums(conn) == (0, 3.5, 1)
        entry = spend.find(conn, "pj_1")
    assert entry is not None
    assert (entry.kind, entry.usd, entry.tokens_in) == ("booked", 3.5, 900_000)


def test_the_same_run_is_reserved_once_and_not_again_after_it_is_booked(database: Database) -> None:
    with database.transaction() as conn:
        for _ in range(3):
            budget.reserve(conn, "pj_1", COST, LIMITS)
        budget.settle(conn, "pj_1", 4.0)
        budget.settle(conn, "pj_1", 9.0)
        budget.reserve(conn, "pj_1", COST, LIMITS)
        budget.release(conn, "pj_1")
        assert _sums(conn) == (0, 4.0, 1)


def test_what_was_never_billed_is_given_back(database: Database) -> None:
    with database.transaction() as conn:
        budget.reserve(conn, "pj_1", COST, LIMITS)
        budget.release(conn, "pj_1")
        assert _sums(conn) == (0, 0, 0)


def test_a_job_over_its_budget_is_refused(database: Database) -> None:
    with database.transaction() as conn, pytest.raises(RefusedError) as refused:
        budget.reserve(conn, "pj_1", replace(COST, usd=5.01), LIMITS)
    error = refused.value.as_dict()
    assert error["code"] == "budget-exceeded"
    assert error["message"] == "this fine-tune would cost $5.01, and one may cost $5.00"
    assert error["details"]["setting"] in error["advice"]
    assert "next month" not in error["advice"]  # it would cost as much then
    assert not refused.value.retryable


def test_a_month_over_its_budget_is_refused_and_says_how_far_it_is(database: Database) -> None:
    with database.transaction() as conn:
        budget.reserve(conn, "pj_1", COST, LIMITS)
        budget.book(conn, "cpl_1", replace(COST, purpose="completion", usd=4.0))
        with pytest.raises(RefusedError) as refused:
            budget.reserve(conn, "pj_2", COST, LIMITS)
        assert _sums(conn) == (4.0, 4.0, 2)
    assert "has cost $8.00 so far, this would add $4.00, and a month may cost $10.00" in refused.value.message
    assert refused.value.details["setting"] == "LLM_MONTHLY_BUDGET_USD"


def test_free_work_is_allowed_in_a_month_that_is_used_up(database: Database) -> None:
    with database.transaction() as conn:
        budget.book(conn, "cpl_1", replace(COST, usd=12.0))
        budget.reserve(conn, "pj_1", replace(COST, provider="local", usd=0.0), LIMITS)
        assert _sums(conn) == (0, 12.0, 2)


@pytest.mark.parametrize(("spent", "asked", "allowed"), [(0, 0, True), (9.9, 0, True), (10, 0, False), (9, 1.5, False)])
def test_completions_ask_before_they_are_sent(database: Database, spent: float, asked: float, allowed: bool) -> None:
    with database.transaction() as conn:
        budget.book(conn, "cpl_1", replace(COST, usd=spent))
        if allowed:
            budget.require_month(conn, LIMITS, usd=asked)
        else:
            with pytest.raises(RefusedError, match="has cost"):
                budget.require_month(conn, LIMITS, usd=asked)


def test_a_completion_is_booked_once(database: Database) -> None:
    with database.transaction() as conn:
        for _ in range(2):
            budget.book(conn, "cpl_1", replace(COST, usd=0.25))
        assert _sums(conn) == (0, 0.25, 1)


def test_many_reservations_at_once_never_pass_the_limit_together(database: Database) -> None:
    def one(number: int) -> bool:
        try:
            with database.transaction() as conn:
                budget.reserve(conn, f"pj_{number}", replace(COST, usd=1.0), LIMITS)
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(30))) == 10
    with database.reading() as conn:
        assert _sums(conn) == (10.0, 0, 10)
        entries = conn.execute("SELECT sum(usd)::float8, count(*) FROM spend").fetchone()
    assert entries == (10.0, 10)


def test_last_month_does_not_count(database: Database) -> None:
    with database.transaction() as conn:
        budget.book(conn, "cpl_1", replace(COST, usd=50.0))
        conn.execute("UPDATE spend SET at = at - interval '32 days'")
        assert _sums(conn) == (0, 0, 0)
        budget.reserve(conn, "pj_1", COST, LIMITS)
        assert [row[:3] for row in spend.by_purpose(conn)] == [("openai", "gpt-4o-mini-2024-07-18", "fine-tune")]
        assert [entry.reference for entry in spend.list_entries(conn)] == ["pj_1", "cpl_1"]
        newest = spend.list_entries(conn, limit=1)[0]
        older = spend.list_entries(conn, before=(newest.at, newest.reference))
    assert [entry.reference for entry in older] == ["cpl_1"]
