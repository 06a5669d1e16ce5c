"""A transport for the official client that keeps to a time and a size, whatever the other side does.

The client's own time-out starts anew with every byte: a server that drips one every second would hold a worker for
ever. Here a request has one deadline for everything from connecting to the last byte, and one limit for what is read,
headers and error pages included. Only the resolver (a name to an address) has a clock of its own.
"""

import ssl
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore2
import httpx2

_CHUNK: Final = 65_536
_CONNECTIONS: Final = 100
_IDLE_S: Final = 3.0
"""How long an idle connection is kept: less than servers do, so that no request goes down one that just closes."""


class _TooLongError(httpcore2.NetworkError):
    """More was sent than may be read."""


@dataclass
class Allowance:
    """What one request may still use: until when (monotonic seconds), and how many bytes it may read."""

    deadline: float
    bytes_left: int

    def seconds(self, timeout: float | None) -> float:
        """Return how long the next step may take. Raises ReadTimeout when the time is over."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the request's whole time is over")
        return left if timeout is None else min(left, timeout)

    def take(self, size: int) -> None:
        """Count bytes that were read. Raises an error when they are too many."""
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise _TooLongError("the answer is too long")


_allowance: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


@contextmanager
def allowing(*, seconds: float, size: int) -> Iterator[None]:
    """Bound all that this thread's requests do in the block: in time, and in bytes read."""
    token = _allowance.set(Allowance(time.monotonic() + seconds, size))
    try:
        yield
    finally:
        _allowance.reset(token)


def bounded_client(base_url: str) -> httpx2.Client:
    """Return a client for one server: bounded as above, following no redirect, taking no compressed answer.

    The proxies and certificates that the environment names (``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE``) count.
    """
    return httpx2.Client(
        transport=_Transport(base_url),
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_refuse_compressed]},
    )


def _refuse_compressed(response: httpx2.Response) -> None:
    """Refuse what nobody asked for: a small compressed answer may be a large one."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise httpx2.DecodingError("the answer is compressed", request=response.request)


class _Stream(httpcore2.NetworkStream):
    """A connection whose every read and write asks the allowance first."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        allowance = _allowance.get()
        if allowance is None:
            return self._inner.read(max_bytes, timeout)
        data = self._inner.read(max_bytes, allowance.seconds(timeout))
        allowance.take(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        allowance = _allowance.get()
        for start in range(0, len(buffer), _CHUNK):
            self._inner.write(buffer[start : start + _CHUNK], allowance.seconds(timeout) if allowance else timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _seconds(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore2.SyncBackend):
    """Opens such connections."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        return _Stream(super().connect_tcp(host, port, _seconds(timeout), local_address, socket_options))


def _seconds(timeout: float | None) -> float | None:
    allowance = _allowance.get()
    return allowance.seconds(timeout) if allowance else timeout


class _Body(httpx2.SyncByteStream):
    """The body of an answer, read as it is asked for."""

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _as_client_errors():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _Transport(httpx2.BaseTransport):
    """What the client sends through: a pool of bounded connections to one server, or to the proxy before it."""

    def __init__(self, base_url: str) -> None:
        proxy = _proxy_for(base_url)
        # It takes a while to load, and plain connections need none.
        context = httpx2.create_ssl_context() if base_url.startswith("https:") else None
        if proxy is None:
            self._pool = httpcore2.ConnectionPool(
                ssl_context=context,
                max_connections=_CONNECTIONS,
                keepalive_expiry=_IDLE_S,
                network_backend=_Backend(),
            )
        else:
            self._pool = httpcore2.HTTPProxy(
                str(proxy.url),
                proxy_auth=proxy.raw_auth,
                ssl_context=context,
                max_connections=_CONNECTIONS,
                keepalive_expiry=_IDLE_S,
                network_backend=_Backend(),
            )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        with _as_client_errors():
            answer = self._pool.handle_request(
                httpcore2.Request(
                    request.method,
                    httpcore2.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx2.Response(
            answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions
        )

    def close(self) -> None:
        self._pool.close()


@contextmanager
def _as_client_errors() -> Iterator[None]:
    """Translate the pool's errors to those that the official client knows."""
    try:
        yield
    except (httpcore2.ConnectError, httpcore2.ProxyError) as error:
        raise httpx2.ConnectError(str(error)) from error
    except (httpcore2.ConnectTimeout, httpcore2.PoolTimeout) as error:
        raise httpx2.ConnectTimeout(str(error)) from error
    except httpcore2.TimeoutException as error:
        raise httpx2.ReadTimeout(str(error)) from error
    except (httpcore2.ProtocolError, httpcore2.UnsupportedProtocol) as error:
        raise httpx2.RemoteProtocolError(str(error)) from error
    except _TooLongError as error:
        raise httpx2.DecodingError(str(error)) from error
    except httpcore2.NetworkError as error:
        raise httpx2.ReadError(str(error)) from error


def _proxy_for(base_url: str) -> httpx2.Proxy | None:
    """Return the proxy that the environment names for this server, if any."""
    parts = urlsplit(base_url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    proxies = urllib.request.getproxies()
    address = proxies.get(parts.scheme) or proxies.get("all")
    return httpx2.Proxy(address) if address else None
