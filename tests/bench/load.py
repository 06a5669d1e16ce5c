"""A load generator that costs little: keep-alive sockets, one request prepared ahead, answers counted, not parsed."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final, cast

import orjson
import uvloop

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "
_LATE_S: Final = 30.0  # an answer that takes longer is a fault


@dataclass(frozen=True)
class Measured:
    """What a run of load saw: answers a second, and how long each took."""

    per_second: float
    seconds: list[float] = field(repr=False)

    def percentile_ms(self, share: float) -> float:
        """Return the latency that this share of the answers stayed below."""
        return sorted(self.seconds)[min(int(len(self.seconds) * share), len(self.seconds) - 1)] * 1000


@dataclass
class _Run:
    request: bytes
    until: float
    seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class _Client(asyncio.Protocol):
    """One connection: sends the request again as soon as it is answered, until the time is over."""

    def __init__(self, run: _Run, done: "asyncio.Future[None]") -> None:
        self._run = run
        self._done = done
        self._got = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head_end = self._got.find(_HEAD_END)
        if head_end < 0:
            return
        head = self._got[:head_end].lower()
        at = head.index(_LENGTH) + len(_LENGTH)
        if len(self._got) < head_end + len(_HEAD_END) + int(head[at:].split(b"\r", 1)[0]):
            return
        now = time.perf_counter()
        self._run.seconds.append(now - self._sent_at)
        if not head.startswith(b"http/1.1 2"):
            self._run.faults.append(self._got[:500].decode(errors="replace"))
        if now >= self._run.until or self._run.faults:
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc:
            self._run.faults.append(repr(exc))
        if not self._done.done():
            self._done.set_result(None)

    def _send(self) -> None:
        self._got = b""
        self._sent_at = time.perf_counter()
        self._transport.write(self._run.request)


def post(path: str, body: object, key: str = "") -> bytes:
    """Return the bytes of a POST with a JSON body."""
    content = orjson.dumps(body)
    head = [f"POST {path} HTTP/1.1", "Host: bench", "Content-Type: application/json", f"Content-Length: {len(content)}"]
    if key:
        head.append(f"Authorization: Bearer {key}")
    return "\r\n".join(head).encode() + _HEAD_END + content


def load(port: int, request: bytes, *, clients: int, seconds: float = 2.0) -> Measured:
    """Send one request from so many clients, each as soon as its last one is answered.

    Raises AssertionError when an answer is not 2xx, or a connection breaks.
    """
    return uvloop.run(_load(port, request, clients, seconds))


async def _load(port: int, request: bytes, clients: int, seconds: float) -> Measured:
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    run = _Run(request, started + seconds)
    ends = [loop.create_future() for _ in range(clients)]
    for end in ends:
        await loop.create_connection(lambda end=end: _Client(run, end), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.wait_for(asyncio.gather(*ends), seconds + _LATE_S)
    assert not run.faults, run.faults[0]
    return Measured(len(run.seconds) / (time.perf_counter() - started), run.seconds)
