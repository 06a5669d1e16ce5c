"""Fetching what a user's address points to: the public internet only, whole, in time, and not too much of it."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.errors import InvalidInputError
from shared.fetching import FetchLimits, fetch
from shared.settings import Settings, get_settings
from tests.support.small_http import Delivery, Reply, Request, SmallServer

LIMITS = FetchLimits(max_bytes=1_000, timeout_seconds=0.3, max_redirects=2)


def _reason(url: str, limits: FetchLimits = LIMITS) -> str:
    with pytest.raises(InvalidInputError) as refused:
        fetch(url, limits)
    assert url not in str(refused.value.as_dict())
    return refused.value.instance_code


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.jpg",
        "ftp://example.org/a.jpg",
        "file:///etc/passwd",
        "https:///a.jpg",
        "https://user:secret@example.org/a.jpg",
        "https://[fe80::1%25eth0]/a.jpg",
        "https://example.org:99999/a.jpg",
        "//example.org/a.jpg",
    ],
)
def test_other_addresses_are_no_addresses(settings: Settings, url: str) -> None:
    assert _reason(url) == "bad-address"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "0.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]", "[2002:7f00:1::]", "0x7f.1", "2130706433",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_however_they_are_written(settings: Settings, host: str) -> None:
    assert _reason(f"https://{host}/a.jpg") in {"private-address", "unreachable"}


def test_a_name_that_points_to_a_private_address_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    both: list[Any] = [(2, 1, 6, "", ("93.184.216.34", 443)), (2, 1, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    assert _reason("https://pictures.example.org/a.jpg") == "private-address"


# --- with a server of our own, which the setting lets through ---------------------------------------------------------


@pytest.fixture
def serve(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[Request], Reply]], str]]:
    """Start a server; return its address."""
    monkeypatch.setenv("FETCH_PRIVATE_ADDRESSES", "true")
    get_settings.cache_clear()
    servers: list[SmallServer] = []

    def start(handler: Callable[[Request], Reply]) -> str:
        servers.append(SmallServer(handler))
        return servers[-1].__enter__().url

    yield start
    for server in servers:
        server.__exit__(None, None, None)
    get_settings.cache_clear()


Serve = Callable[[Callable[[Request], Reply]], str]


def test_what_is_there_comes_whole(serve: Serve) -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Reply:
        asked.append(request)
        return Reply(body=b"x" * 1_000) if request.path == "/a" else Reply(status=302, headers={"location": "/a"})

    url = serve(answer)
    assert fetch(f"{url}/from", LIMITS) == b"x" * 1_000
    assert [request.path for request in asked] == ["/from", "/a"]
    assert asked[0].headers["host"] == url.partition("//")[2]
    assert asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(body=b"x" * 1_001), "too-large"),
        (Reply(status=404), "http-status"),
        (Reply(status=302, headers={"location": "/again"}), "too-many-redirects"),
        (Reply(status=302, headers={"location": "file:///etc/passwd"}), "bad-address"),
        (Reply(body=b"x" * 500, delivery=Delivery.CUT), "unreachable"),
        (Reply(delivery=Delivery.DROP), "unreachable"),
        (Reply(delivery=Delivery.HOLD), "too-slow"),
    ],
)
def test_servers_that_do_not_give_it_are_told_apart(serve: Serve, reply: Reply, reason: str) -> None:
    assert _reason(serve(lambda _: reply) + "/a") == reason


def test_a_redirect_into_the_own_network_is_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first address counts as public here, so that what it leads to is what is refused."""
    from shared import fetching

    url = serve(lambda _: Reply(status=302, headers={"location": "https://169.254.169.254/latest/meta-data"}))
    real = fetching._resolved

    def resolved(host: str, port: int) -> Any:
        if host == "127.0.0.1":
            return real(host, port)
        monkeypatch.setenv("FETCH_PRIVATE_ADDRESSES", "false")
        get_settings.cache_clear()
        return real(host, port)

    monkeypatch.setattr(fetching, "_resolved", resolved)
    assert _reason(f"{url}/a") == "private-address"
