"""A small, fast HTTP server on a real socket, whose answers may be cut, held back or never come.

One thread runs it; a handler is a plain function from a request to an answer, called in that thread.
"""

import asyncio
import http.client
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import httptools
import orjson


class Delivery(Enum):
    """What becomes of an answer on its way."""

    SEND = "send"
    DROP = "drop"
    """The connection is closed, and nothing was sent."""
    CUT = "cut"
    """Half of the answer is sent, then the connection is closed."""
    HOLD = "hold"
    """Nothing is ever sent: the connection stays open until the client gives up."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a client sent. Header names are in lower case; ``query`` keeps the order and every value."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What is answered, and how it travels."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.SEND

    @classmethod
    def json(cls, value: Any, status: int = 200, **headers: str) -> "Reply":
        """Answer with JSON; underscores in the names of headers stand for hyphens."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status=status, body=orjson.dumps(value), headers=named)

    def encoded(self) -> bytes:
        """Return the bytes on the wire."""
        reason = http.client.responses.get(self.status, "Unknown")
        lines = [f"HTTP/1.1 {self.status} {reason}", f"content-type: {self.content_type}"]
        lines += [f"{name}: {text}" for name, text in self.headers.items()]
        lines += [f"content-length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


Handler = Callable[[Request], Reply]


class _Connection(asyncio.Protocol):
    """One connection of one client; requests on it are answered in turn."""

    def __init__(self, handler: Handler, all_open: set[asyncio.Transport]) -> None:
        self._handler = handler
        self._all = all_open
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._all.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._all.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            traceback.print_exc()
            self._transport.abort()

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        url = urlsplit(self._target.decode("latin-1"))
        request = Request(
            method=self._parser.get_method().decode(),
            path=unquote(url.path),
            query=tuple(parse_qsl(url.query, keep_blank_values=True)),
            headers=self._headers,
            body=bytes(self._body),
        )
        try:
            reply = self._handler(request)
        except Exception:  # noqa: BLE001  (a mistake of the test's own: the client gets something, and it is seen)
            traceback.print_exc()
            reply = Reply(status=500, body=b'{"error": {"message": "the test\'s handler failed"}}')
        self._deliver(reply)

    def _deliver(self, reply: Reply) -> None:
        match reply.delivery:
            case Delivery.SEND:
                self._transport.write(reply.encoded())
            case Delivery.DROP:
                self._transport.abort()
            case Delivery.CUT:
                wire = reply.encoded()
                self._transport.write(wire[: len(wire) - max(1, len(reply.body) // 2)])
                self._transport.close()
            case Delivery.HOLD:
                pass


class SmallServer:
    """Serves a handler on a free port of this machine for as long as the ``with`` block lasts."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._open: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="small-http", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(timeout=10)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(lambda: _Connection(self._handler, self._open), "127.0.0.1", 0)

    async def _close(self) -> None:
        self._server.close()
        for transport in list(self._open):
            transport.abort()
        await asyncio.sleep(0)  # lets the transports tell that they are closed
