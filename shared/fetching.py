"""Fetches what an address points to that a user gave: the outside, and nothing of ours.

The name is resolved once, and the connection goes to the very address that was checked, so a name cannot point
elsewhere a moment later. Redirects are followed by hand, each checked like the first. No proxy is used: it would
resolve the name itself. Errors never quote the address, which may hold a secret.
"""

import ipaddress
import socket
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx

from shared.errors import InvalidInputError
from shared.settings import get_settings

_CHUNK: Final = 1 << 16
_WHOLE: Final = 4  # waits that a fetch may last in all
_PLAIN: Final = {"Accept-Encoding": "identity"}  # nothing that unfolds to more than the limit
_PORTS: Final = {"https": 443, "http": 80}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, kw_only=True)
class FetchLimits:
    """The most that a fetch may take: bytes, seconds for each wait (four times that in all), redirects."""

    max_bytes: int
    timeout_seconds: float
    max_redirects: int


def fetch(url: str, limits: FetchLimits) -> bytes:
    """Return what is there. Only ``https`` and addresses of the public internet.

    Raises InvalidInputError whose code is the reason: ``bad-address``, ``private-address``, ``unreachable``,
    ``too-slow``, ``too-large``, ``http-status``, ``too-many-redirects``.
    """
    ends = time.monotonic() + _WHOLE * limits.timeout_seconds
    for _ in range(limits.max_redirects + 1):
        found = _once(url, limits, ends)
        if isinstance(found, bytes):
            return found
        url = urljoin(url, found.location)
    raise _refused("too-many-redirects", f"the address leads on more than {limits.max_redirects} times")


@dataclass(frozen=True)
class _Redirect:
    location: str


def _once(url: str, limits: FetchLimits, ends: float) -> bytes | _Redirect:
    parts, host, port = _checked(url)
    address = _resolved(host, port)
    # the connection goes to the checked address; the certificate must be the name's all the same
    netloc = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"  # noqa: PLR2004
    target = parts._replace(netloc=netloc, fragment="").geturl()
    shown = f"[{host}]" if ":" in host else host
    headers = {"Host": shown if port == _PORTS[parts.scheme] else f"{shown}:{port}", "User-Agent": "tuneyard", **_PLAIN}
    try:
        with (
            httpx.Client(timeout=limits.timeout_seconds, trust_env=False, follow_redirects=False) as client,
            client.stream("GET", target, headers=headers, extensions={"sni_hostname": host}) as response,
        ):
            if response.has_redirect_location:
                return _Redirect(response.headers["location"])
            if response.status_code != httpx.codes.OK:
                raise _refused("http-status", f"the server answers with the status {response.status_code}")
            return _body(response, limits, ends)
    except httpx.TimeoutException:
        raise _too_slow() from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise _refused("unreachable", "the server does not answer, or not in a way that can be trusted") from None


def _body(response: httpx.Response, limits: FetchLimits, ends: float) -> bytes:
    body = bytearray()
    for chunk in response.iter_raw(_CHUNK):
        body += chunk
        if len(body) > limits.max_bytes:
            raise _refused("too-large", f"what is there is over {limits.max_bytes:,} bytes")
        if time.monotonic() > ends:
            raise _too_slow()
    return bytes(body)


def _checked(url: str) -> tuple[SplitResult, str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _bad_address() from None
    schemes = {"https", "http"} if get_settings().fetch_private_addresses else {"https"}
    if parts.scheme not in schemes or not host or parts.username is not None or "%" in host:
        raise _bad_address()
    return parts, host, port or _PORTS[parts.scheme]


def _resolved(host: str, port: int) -> Address:
    """Return the first address of a name; all of them must be public."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _refused("unreachable", "the server's name is not known") from None
    addresses = [ipaddress.ip_address(str(info[4][0])) for info in found]
    if not get_settings().fetch_private_addresses and not all(map(_is_public, addresses)):
        raise _refused("private-address", "the address is not one of the public internet")
    return addresses[0]


def _is_public(address: Address) -> bool:
    inner = _inside(address)
    if inner is not None:
        return _is_public(inner)
    return address.is_global and not address.is_multicast


def _inside(address: Address) -> Address | None:
    """Return the IPv4 address that an IPv6 address stands for, if it does: mapped, 6to4, or NAT64 (RFC 6052)."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _bad_address() -> InvalidInputError:
    return _refused("bad-address", "only addresses that begin with https:// and a server's name are fetched")


def _too_slow() -> InvalidInputError:
    return _refused("too-slow", "the server takes too long")


def _refused(reason: str, message: str) -> InvalidInputError:
    return InvalidInputError(message, code=reason)
