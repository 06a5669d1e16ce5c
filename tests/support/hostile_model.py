"""A model's server that says whatever a test wants, byte by byte if need be: real HTTP over a real socket."""

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from types import TracebackType
from typing import Any, Self

Bytes = Iterable[bytes]
Script = Callable[[dict[str, Any]], Bytes]
"""From the JSON that was asked to the pieces that are sent, with a pause between them."""


def reply(body: bytes, *, status: str = "200 OK", content_type: str = "application/json", **headers: str) -> bytes:
    """Return an answer as it stands on the wire; underscores in the names of headers stand for hyphens."""
    named = {"content-type": content_type, "content-length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def completion(text: str | None, **changes: Any) -> bytes:
    """Return a chat completion with this text, as OpenAI sends it; ``changes`` replace parts of it."""
    message = {"role": "assistant", "content": text, "refusal": None}
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }
    return reply(json.dumps(whole | changes).encode())


def refusal(status: str, code: str = "", message: str = "no", **headers: str) -> bytes:
    """Return an error in OpenAI's shape."""
    error = {"message": message, "type": "error", "param": None, "code": code or None}
    return reply(json.dumps({"error": error}).encode(), status=status, **headers)


class HostileModel:
    """Serves a script on a free port while the ``with`` block lasts; ``asked`` holds every request's JSON."""

    def __init__(self, script: Script | bytes, *, pause: float = 0.05, tls: ssl.SSLContext | None = None) -> None:
        self.script: Script = (lambda _: [script]) if isinstance(script, bytes) else script
        self.pause = pause
        self.asked: list[dict[str, Any]] = []
        self.stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.model = self
        self._scheme = "http"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    model: HostileModel


class _Handler(socketserver.StreamRequestHandler):
    """Reads one request after the other and writes what the script says, until either side has had enough."""

    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        model = self.server.model
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while (asked := self._asked()) is not None:
                model.asked.append(asked)
                self._send(model, model.script(asked))
        except OSError:
            return  # the client has hung up: what most of these tests are about

    def _asked(self) -> dict[str, Any] | None:
        if not self.rfile.readline():
            return None
        length = 0
        while (line := self.rfile.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        asked: dict[str, Any] = json.loads(self.rfile.read(length))
        return asked

    def _send(self, model: HostileModel, pieces: Bytes) -> None:
        for n, piece in enumerate(pieces):
            if n and model.stopped.wait(model.pause):
                raise ConnectionAbortedError
            if not piece:  # an empty piece hangs up
                raise ConnectionAbortedError
            self.wfile.write(piece)


def dripping(whole: bytes, size: int = 1) -> list[bytes]:
    """Return an answer in small pieces."""
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def endless(head: bytes, piece: bytes) -> Iterator[bytes]:
    """Yield an answer that never ends."""
    yield head
    yield from repeat(piece)
