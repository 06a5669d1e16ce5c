"""Completions before servers that drip, flood and lie: bounds of time and size, and what is told of failures."""

import gzip
import time
from typing import Any

import pytest

from shared.db.pool import Database
from shared.errors import RefusedError, TuneyardError, UnavailableError
from tests.support.askers import asking, question
from tests.support.fault_provider import Fault, FaultProvider
from tests.support.hostile_model import HostileModel, completion, dripping, endless, refusal, reply

SLACK_S = 3.0


# --- bounds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "drip",
    [
        pytest.param(lambda: dripping(completion("x" * 5_000)), id="every byte"),
        pytest.param(lambda: [completion("x" * 500)[:200], *dripping(completion("x" * 500)[200:])], id="the body"),
        pytest.param(lambda: endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"), id="headers without end"),
        pytest.param(lambda: dripping(refusal("500 Internal Server Error", message="x" * 5_000)), id="an error"),
        pytest.param(lambda: endless(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", b" "), id="spaces"),
    ],
)
def test_a_drip_holds_nobody_longer_than_the_time(database: Database, drip: Any) -> None:
    with HostileModel(lambda _: drip()) as model, asking(model.url, database, timeout_s=1.0) as completions:
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            completions.complete(question(), purpose="test")
        assert time.monotonic() - began < 1.0 + SLACK_S


def test_the_caller_may_have_less_time(database: Database) -> None:
    with FaultProvider() as server, asking(server.url, database) as completions:
        server.fail("chat", Fault.SLOW_BEFORE, times=None)
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            completions.complete(question(), purpose="test", timeout_s=0.4)
        assert time.monotonic() - began < 0.4 + SLACK_S


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: [completion("x" * 300_000)], id="a huge text"),
        pytest.param(lambda: endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 50_000), id="a body without end"),
        pytest.param(lambda: [reply(gzip.compress(b" " * 10_000_000), content_encoding="gzip")], id="a bomb"),
        pytest.param(lambda: [reply(b"[" * 100_000)], id="a deep one"),
        pytest.param(lambda: [reply(b"<html>hello</html>", content_type="text/html")], id="a page"),
        pytest.param(lambda: [reply(b"data: {}\n\ndata: [DONE]\n\n", content_type="text/event-stream")], id="a stream"),
        pytest.param(lambda: [reply(b"\x00\xff\xfe")], id="bytes"),
        pytest.param(lambda: [reply(b"")], id="nothing"),
        pytest.param(lambda: [reply(b"null")], id="null"),
        pytest.param(lambda: [reply(b'{"choices": []}')], id="no choice"),
        pytest.param(lambda: [reply(b'{"choices": [{"message": {"content": 3}}]}')], id="a number"),
        pytest.param(lambda: [reply(b'{"choices": [{"message": {"content": ["x"]}}]}')], id="a list"),
        pytest.param(lambda: [completion("x", model="m" * 1000)], id="a long name"),
        pytest.param(lambda: [reply(b"1" * 5_000)], id="a long number"),
    ],
)
def test_what_is_no_completion_is_told_at_once(database: Database, answer: Any) -> None:
    with HostileModel(lambda _: answer(), pause=0.0) as model, asking(model.url, database) as completions:
        with pytest.raises(UnavailableError) as caught:
            completions.complete(question(), purpose="test")
        assert caught.value.instance_code == "provider-bad-answer"
        assert len(model.asked) == 1


def test_a_huge_error_page_is_not_read(database: Database) -> None:
    page = endless(b"HTTP/1.1 500 Internal Server Error\r\n\r\n", b"x" * 50_000)
    with (
        HostileModel(lambda _: page, pause=0.0) as model,
        asking(model.url, database) as completions,
        pytest.raises(UnavailableError),
    ):
        completions.complete(question(), purpose="test")


def test_nobody_is_sent_elsewhere(database: Database) -> None:
    with HostileModel(completion("stolen")) as elsewhere:
        moved = reply(b"", status="307 Temporary Redirect", location=f"{elsewhere.url}/chat/completions")
        with (
            HostileModel(moved) as model,
            asking(model.url, database) as completions,
            pytest.raises(RefusedError, match="307"),
        ):
            completions.complete(question(), purpose="test")
        assert elsewhere.asked == []


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -1, "completion_tokens": 1}, "many", {
    "prompt_tokens": 10**18, "completion_tokens": 1,
}])  # fmt: skip
def test_usage_that_makes_no_sense_is_estimated(database: Database, usage: Any) -> None:
    with HostileModel(completion("some words", usage=usage)) as model, asking(model.url, database) as completions:
        answer = completions.complete(question("one two three " * 30), purpose="test")
        assert 90 <= answer.prompt_tokens <= 110
        assert 1 <= answer.completion_tokens <= 5


def test_a_text_that_cannot_be_stored_is_mended(database: Database) -> None:
    with HostileModel(completion("a\x00b\ud800c")) as model, asking(model.url, database) as completions:
        for _ in range(2):
            assert completions.complete(question(), purpose="test").text == "a\ufffdb\ufffdc"


# --- what is told ---------------------------------------------------------------------------------------------------


def test_no_error_and_no_log_tells_what_was_asked(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    told = refusal("401 Unauthorized", "invalid_api_key", "Incorrect API key provided: sk-canary-key, for canary-text")
    with HostileModel(told) as model, asking(model.url, database) as completions:
        with pytest.raises(TuneyardError) as caught:
            completions.complete(question("canary-text"), purpose="test")
        shown = f"{caught.value.as_dict()} {caught.value!r} {capsys.readouterr()} {completions.provider!r}"
        assert "401 invalid_api_key" in shown
        assert "canary" not in shown
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
