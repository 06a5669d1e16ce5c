"""What ends when, decided purely: by the policy's table, and by what a provider's list of models says."""

from datetime import date, timedelta

import pytest

from shared.errors import RefusedError, UnavailableError
from shared.llm.connection import Provider
from shared.llm.fine_tunes import Closed
from shared.llm.policy import llm_policy
from shared.llm.sunset import ask, base_of, ending, require_open, training_ends
from tests.support.fault_provider import Fault, FaultProvider

MINI = "gpt-4o-mini-2024-07-18"
ENDS = date(2027, 1, 14)
CLOSES = date(2027, 1, 6)
WATCHED = timedelta(days=llm_policy().sunset_watch.alert_days)


def model(provider: str = "openai", base: str = MINI, tuned: str = "") -> dict[str, str]:
    return {"provider": provider, "base_model": base, "provider_model": tuned}


@pytest.mark.parametrize(
    ("name", "base"),
    [
        (f"ft:{MINI}:org:gold:AbC123", MINI),
        (f"ft:{MINI}:org:gold:AbC123:ckpt-step-90", MINI),
        (f"ft:{MINI}", MINI),
        ("gpt-6", "gpt-6"),
        ("", ""),
    ],
)
def test_the_base_of_a_fine_tune(name: str, base: str) -> None:
    assert base_of(name) == base


@pytest.mark.parametrize(
    "parameters",
    [
        model(),
        model(tuned=f"ft:{MINI}:org:gold:AbC123"),
        model(base="some-alias", tuned=f"ft:{MINI}:org:gold:AbC123"),
        model(base="gpt-4o-mini"),
        model(base="gpt-4.1-mini-2025-04-14"),
    ],
)
def test_the_models_of_the_seeds_end(parameters: dict[str, str]) -> None:
    assert ending(parameters, ENDS - WATCHED - timedelta(days=1)) is None
    for day in (ENDS - WATCHED, ENDS - timedelta(days=1), ENDS, ENDS + timedelta(days=900)):
        found = ending(parameters, day)
        assert found is not None
        assert found.ends == ENDS
        assert found.over(day) == (day >= ENDS)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"seed": 1},
        {"provider": "openai"},
        {"base_model": MINI},
        model(provider="local"),
        model(provider="llm.example.org"),
        model(base="gpt-4o-2024-08-06"),
        model(base="gpt-4.1"),
        model(base="gpt-4.1-mini-2026-01-01"),
        model(base="g"),
    ],
)
def test_others_do_not(parameters: dict[str, str]) -> None:
    assert ending(parameters, ENDS) is None


def test_what_the_provider_lists_counts_too_and_the_earlier_day_wins() -> None:
    today = date(2026, 12, 1)
    earlier = ending(model(), today, {MINI: date(2026, 12, 24)})
    assert earlier is not None
    assert earlier.sentence(today) == f"the model {MINI} of openai ends on 2026-12-24, in 23 days"
    later = ending(model(), today, {MINI: date(2028, 1, 1)})
    assert later is not None
    assert later.ends == ENDS
    tuned = f"ft:{MINI}:org:gold:AbC123"
    alone = ending(model("llm.example.org", "other", tuned), today, {tuned: date(2026, 12, 2)})
    assert alone is not None
    assert alone.sentence(today) == f"the model {tuned} of llm.example.org ends on 2026-12-02, in 1 day"
    assert alone.sentence(date(2026, 12, 3)).endswith("ended on 2026-12-02")


def test_no_fine_tune_is_begun_where_none_is_taken_any_more() -> None:
    closes = training_ends("openai")
    assert closes is not None
    assert closes.ends == CLOSES
    assert training_ends("local") is None
    require_open("openai", MINI, CLOSES - timedelta(days=1))
    require_open("local", "local-nearest", ENDS)
    require_open("llm.example.org", MINI, ENDS)
    with pytest.raises(Closed, match="fine-tuning of openai ended on 2027-01-06: nothing was sent") as refused:
        require_open("openai", "gpt-6", CLOSES)
    assert "/openai/v1" in refused.value.advice
    with pytest.raises(RefusedError, match=r"the model m of llm\.example\.org ended"):
        require_open("llm.example.org", "m", ENDS, {"m": ENDS})


def provider_at(url: str) -> Provider:
    return Provider(name="faults", base_url=url, api_key="any")


def test_the_list_of_models_is_asked_once() -> None:
    with FaultProvider() as server:
        server.shutdown_dates = {
            "a": "2027-01-14",
            "b": None,
            "c": "soon",
            "d": "2027-02-03T00:00:00Z",
            "e" * 300: "2027-01-01",
        }
        assert ask(provider_at(server.url)) == {"a": date(2027, 1, 14), "d": date(2027, 2, 3)}
        assert server.count() == 1


@pytest.mark.parametrize(
    "fault", [Fault.ERROR_BEFORE, Fault.DROP_AFTER, Fault.SLOW_AFTER, Fault.GARBAGE_AFTER, Fault.BUSY]
)
def test_a_provider_that_does_not_list_is_unavailable(fault: Fault) -> None:
    with FaultProvider() as server:
        server.fail("models", fault)
        with pytest.raises(UnavailableError, match="faults did not list its models"):
            ask(provider_at(server.url), timeout_s=0.3)
        assert server.count() == 1
