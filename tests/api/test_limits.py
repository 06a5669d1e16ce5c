"""Limits of size and depth, before any parser sees a body."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.middleware import check_depth
from shared.errors import TooLargeError
from tests.api.conftest import Front

_LEAVES = st.none() | st.booleans() | st.integers() | st.text(alphabet='[]{}"\\ab\n€')
_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('[{"\\a'), inner, max_size=4)
)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


@given(_JSON, st.integers(0, 6), st.sampled_from([None, 1]))
def test_the_depth_is_that_of_the_parsed_value(value: Any, deepest: int, indent: int | None) -> None:
    body = json.dumps(value, indent=indent).encode()
    if _depth(value) <= deepest:
        check_depth(body, deepest)
    else:
        with pytest.raises(TooLargeError):
            check_depth(body, deepest)


@given(st.binary(max_size=200), st.integers(1, 5))
def test_anything_at_all_is_either_let_through_or_refused(body: bytes, deepest: int) -> None:
    try:
        check_depth(body, deepest)
    except TooLargeError:
        assert body.count(b"[") + body.count(b"{") > deepest


def test_a_wide_body_is_no_deep_one() -> None:
    check_depth(b"[" + b"{}," * 300_000 + b"{}]", 2)


def test_a_body_without_a_length_is_cut_off_at_the_limit(client: httpx.Client) -> None:
    endless = (b" " * 100_000 for _ in range(1000))
    answer = client.post("/v1/probe/noop", content=endless)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert client.get("/healthz").status_code == 200


def test_a_length_over_the_limit_is_refused_before_the_body_comes(front: Front) -> None:
    address = urlsplit(front.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(b"POST /v1/probe/noop HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_every_answer_has_an_id_which_the_client_may_choose(client: httpx.Client) -> None:
    assert client.get("/v1/jobs").headers["x-request-id"].startswith("req_")
    chosen = client.get("/v1/jobs", headers={"X-Request-ID": "mine-1"})
    assert chosen.headers["x-request-id"] == "mine-1"
    forged = client.get("/v1/jobs", headers={"X-Request-ID": "a b;c"})
    assert forged.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    "body", [rb'{"\ud800": 1}', rb'{"name": "\ud800", "scopes": ["admin"]}', b'{"\xed\xa0\x80": 1}']
)
def test_half_a_character_is_the_clients_fault(client: httpx.Client, body: bytes) -> None:
    for path in ("/v1/keys", "/v1/probe/hang", "/api/query"):
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 422}, answer.text
        assert answer.json()["detail"]
