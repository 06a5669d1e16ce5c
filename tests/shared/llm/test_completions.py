"""Completions against real servers: paths, cache, tries, and what a process has of them."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from shared.contracts import Path
from shared.db import completions as rows
from shared.db.pool import Database, get_database
from shared.errors import InvalidInputError, RefusedError, UnavailableError
from shared.llm.chat import ChatRequest
from shared.llm.completions import default_completions
from shared.llm.connection import Provider
from shared.settings import Settings, get_settings
from tests.support.askers import asking, question
from tests.support.fault_provider import Fault, FaultProvider
from tests.support.hostile_model import HostileModel, completion, refusal
from tests.support.waiting import wait_until

SLACK_S = 3.0


# --- the cache ------------------------------------------------------------------------------------------------------


def test_the_same_question_is_asked_once(database: Database) -> None:
    with FaultProvider() as server, asking(server.url, database) as completions:
        first = completions.complete(question(), purpose="test")
        second = completions.complete(question(), purpose="test")
        assert (first.path, second.path) == (Path.MODEL, Path.CACHE)
        assert second == first.model_copy(update={"path": Path.CACHE, "cost_usd": 0.0, "calls": 0})
        assert first.cost_usd > 0
        assert server.count("chat") == 1


@pytest.mark.parametrize(
    "other",
    [
        question("another"),
        question(seed=1),
        question(max_tokens=9),
        question(schema={"type": "object"}),
        question().model_copy(update={"model": "gpt-4o"}),
    ],
)
def test_another_question_is_another_one(other: ChatRequest) -> None:
    provider = Provider(name="openai", base_url="http://one/v1", api_key="k")
    elsewhere = Provider(name="openai", base_url="http://two/v1", api_key="k")
    same_with_other_key = Provider(name="openai", base_url="http://one/v1", api_key="k2")
    assert other.key(provider) != question().key(provider) == question().key(same_with_other_key)
    assert question().key(elsewhere) != question().key(provider)


def test_what_is_asked_with_a_temperature_is_asked_each_time(database: Database) -> None:
    with HostileModel(completion("x")) as model, asking(model.url, database) as completions:
        warm = question(temperature=0.7)
        assert [completions.complete(warm, purpose="test").path for _ in range(2)] == [Path.MODEL] * 2
        assert len(model.asked) == 2


def test_old_answers_are_asked_for_again_and_pruned(database: Database) -> None:
    with HostileModel(completion("x")) as model, asking(model.url, database) as completions:
        completions.complete(question(), purpose="test")
        with database.transaction() as conn:
            conn.execute("UPDATE llm_answers SET at = at - interval '2 days'")
            assert rows.prune_answers(conn, timedelta(days=3), 10) == 0
        assert completions.complete(question(), purpose="test").path is Path.MODEL
        with database.transaction() as conn:
            conn.execute("UPDATE llm_answers SET at = at - interval '2 days'")
            assert rows.prune_answers(conn, timedelta(days=1), 10) == 1
        assert len(model.asked) == 2


def test_many_who_ask_the_same_at_once_pay_once(database: Database) -> None:
    asked_twice = threading.Event()

    def slowly(_: dict[str, Any]) -> list[bytes]:
        asked_twice.wait(0.3)
        return [completion("x")]

    with (
        HostileModel(slowly) as model,
        asking(model.url, database) as one,
        asking(model.url, database) as two,  # as another process has
        ThreadPoolExecutor(8) as threads,
    ):
        answers = list(threads.map(lambda n: (one, two)[n % 2].complete(question(), purpose="test"), range(8)))
        assert Counter(answer.path for answer in answers) == {Path.MODEL: 1, Path.CACHE: 7}
        assert {answer.text for answer in answers} == {"x"}
        assert len(model.asked) == 1


def test_who_waits_asks_itself_when_the_other_one_fails(database: Database) -> None:
    outcomes = iter([refusal("400 Bad Request"), completion("x")])
    waiting = threading.Event()

    def script(_: dict[str, Any]) -> list[bytes]:
        waiting.wait(0.2)
        return [next(outcomes)]

    def ask(_: int) -> str:
        try:
            return completions.complete(question(), purpose="test").text
        except RefusedError as error:
            return error.instance_code

    with HostileModel(script) as model, asking(model.url, database) as completions, ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(ask, range(2))) == ["provider-refused", "x"]


@pytest.mark.parametrize("answer", [completion(""), completion(None), completion("x", choices=[
    {"message": {"content": "half"}, "finish_reason": "content_filter"}
])])  # fmt: skip
def test_a_whim_is_not_cached(database: Database, answer: bytes) -> None:
    with HostileModel(answer) as model, asking(model.url, database) as completions:
        for _ in range(2):
            assert completions.complete(question(), purpose="test").path is Path.MODEL
        assert len(model.asked) == 2


def test_many_are_answered_in_order(database: Database) -> None:
    def echo(asked: dict[str, Any]) -> list[bytes]:
        return [completion(asked["messages"][0]["content"])]

    with HostileModel(echo) as model, asking(model.url, database) as completions:
        answers = completions.complete_many([question(str(n)) for n in range(30)], purpose="test")
        assert [answer.text for answer in answers] == [str(n) for n in range(30)]
        assert completions.complete_many([], purpose="test") == []


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_a_schema_is_asked_for_strictly_where_the_provider_takes_it(database: Database) -> None:
    strict = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    with HostileModel(completion("{}")) as model, asking(model.url, database) as completions:
        completions.complete(question(schema=strict, schema_name="gold"), purpose="test")
        completions.complete(question(schema=strict | {"required": []}), purpose="test")
    first, second = (asked["response_format"] for asked in model.asked)
    wanted = {"name": "gold", "schema": strict, "strict": True}
    assert first == {"type": "json_schema", "json_schema": wanted}
    assert second["json_schema"]["strict"] is False
    assert (model.asked[0]["temperature"], model.asked[0]["seed"]) == (0, 0)


def test_other_servers_get_the_old_name_of_the_limit(database: Database) -> None:
    with HostileModel(completion("x")) as model:
        for name in ("openai", "local"):
            with asking(model.url, database, name=name) as completions:
                completions.complete(question(max_tokens=5), purpose="test")
    assert [asked.get("max_completion_tokens") for asked in model.asked] == [5, None]
    assert [asked.get("max_tokens") for asked in model.asked] == [None, 5]


# --- tries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault.ERROR_BEFORE,
        Fault.ERROR_AFTER,
        Fault.DROP_BEFORE,
        Fault.DROP_AFTER,
        Fault.CUT_AFTER,
        Fault.SLOW_BEFORE,
    ],
)
def test_a_fault_is_tried_again(database: Database, fault: Fault) -> None:
    with FaultProvider() as server, asking(server.url, database, request_timeout_s=0.5) as completions:
        server.fail("chat", fault)
        assert completions.complete(question(), purpose="test").path is Path.MODEL
        assert server.count("chat") == 2


def test_tries_come_to_an_end(database: Database) -> None:
    with FaultProvider() as server, asking(server.url, database, tries=3) as completions:
        server.fail("chat", Fault.ERROR_BEFORE, times=None)
        with pytest.raises(UnavailableError) as caught:
            completions.complete(question(), purpose="test")
        assert caught.value.instance_code == "provider-unavailable"
        assert caught.value.details["requests"] == server.count("chat") == 3


@pytest.mark.parametrize("fault", [Fault.REJECTED, Fault.UNAUTHORIZED, Fault.CLOSED, Fault.CONFLICT_BEFORE])
def test_a_refusal_is_final(database: Database, fault: Fault) -> None:
    with FaultProvider() as server, asking(server.url, database) as completions:
        server.fail("chat", fault, times=None)
        with pytest.raises(RefusedError) as caught:
            completions.complete(question(), purpose="test")
        assert caught.value.instance_code == "provider-refused"
        assert caught.value.advice
        assert server.count("chat") == 1


def test_an_empty_account_is_final(database: Database) -> None:
    refused = refusal("429 Too Many Requests", "insufficient_quota", retry_after="1")
    with HostileModel(refused) as model, asking(model.url, database) as completions:
        with pytest.raises(RefusedError, match="insufficient_quota"):
            completions.complete(question(), purpose="test")
        assert len(model.asked) == 1


def test_nobody_listens(database: Database) -> None:
    with HostileModel(completion("x")) as model:
        url = model.url
    with asking(url, database) as completions, pytest.raises(UnavailableError, match="no-connection"):
        completions.complete(question(), purpose="test")


def test_retry_after_is_honoured_by_everybody(database: Database) -> None:
    busy_until = time.monotonic() + 1.0
    early: list[float] = []

    def script(_: dict[str, Any]) -> list[bytes]:
        left = busy_until - time.monotonic()
        if len(model.asked) > 1 and left > 0:
            early.append(left)
        return [refusal("429 Too Many Requests", retry_after="1")] if left > 0 else [completion("x")]

    with (
        HostileModel(script) as model,
        asking(model.url, database) as one,
        asking(model.url, database) as two,
        ThreadPoolExecutor(2) as threads,
    ):
        first = threads.submit(one.complete, question("1"), purpose="test")
        wait_until(lambda: model.asked)
        second = threads.submit(two.complete, question("2"), purpose="test")
        assert first.result().text == second.result().text == "x"
        assert not early or len(early) == 1  # the second may have had leave before the first was told
        assert time.monotonic() >= busy_until


def test_a_long_retry_after_is_not_waited_for(database: Database) -> None:
    with (
        HostileModel(refusal("503 Service Unavailable", retry_after="3600")) as model,
        asking(model.url, database) as completions,
    ):
        began = time.monotonic()
        for n in range(3):
            with pytest.raises(UnavailableError) as caught:
                completions.complete(question(str(n)), purpose="test")
            assert caught.value.instance_code == "provider-busy"
        assert time.monotonic() - began < SLACK_S
        assert len(model.asked) == 1
        with database.reading() as conn:
            (left,) = conn.execute("SELECT blocked_until - now() FROM llm_limits").fetchone() or ()
        assert timedelta(seconds=590) < left <= timedelta(seconds=600)  # no provider stops us for longer


@pytest.mark.parametrize("told", ["nan", "-5", "inf", "soon", "1e999", "Wed, 21 Oct 2015 07:28:00 GMT", "\xff"])
def test_a_retry_after_that_makes_no_sense_is_none(database: Database, told: str) -> None:
    answers = iter([refusal("429 Too Many Requests", retry_after=told), completion("x")])
    with HostileModel(lambda _: [next(answers)]) as model, asking(model.url, database) as completions:
        assert completions.complete(question(), purpose="test").text == "x"


# --- of this process ------------------------------------------------------------------------------------------------


def test_a_process_has_one_and_heeds_its_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInputError):
        default_completions()
    with HostileModel(completion("x")) as model:
        monkeypatch.setenv("OPENAI_BASE_URL", model.url)
        get_settings.cache_clear()
        one = default_completions()
        assert one is default_completions()
        assert (one.provider.name, one.timeout_s) == ("127.0.0.1", settings.llm_timeout_seconds)
        own = question().model_copy(update={"model": "a-model-of-one-s-own"})
        assert one.complete(own, purpose="test").cost_usd == 0  # in one's own network
        monkeypatch.setenv("LLM_TIMEOUT_SECONDS", "7")
        get_settings.cache_clear()
        other = default_completions()
        assert (other is one, other.timeout_s) == (False, 7)
        one.close()


def test_a_fork_has_its_own(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    get_settings.cache_clear()
    one = default_completions()
    get_database().close()
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert default_completions() is not one
