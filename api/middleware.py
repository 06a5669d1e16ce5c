"""What happens to every request before anything looks at it: an id, and limits of size and depth.

Plain ASGI, in one layer: at thousands of requests a second each further wrapper shows. So the busiest paths go straight
from here to their endpoints; all others take FastAPI's way, which is three times as long.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import REQUEST_ID, answer_error, problem
from shared.errors import InvalidInputError, TooLargeError, TuneyardError
from shared.ids import new_id

BODY: Final = "tuneyard.body"  # where the whole body lies in the ASGI scope, unless it is an upload

Endpoint = Callable[[Request], Awaitable[Response]]
_Headers = Mapping[bytes, bytes]

_BODYLESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_VALID_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_ALWAYS: Final = [(b"x-content-type-options", b"nosniff")]


class Gate:
    """Names requests and keeps out what is too large.

    ``uploads`` are the paths that stream; ``direct`` has the endpoints that answer a POST to their paths from here.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body: int,
        max_upload: int,
        max_depth: int,
        uploads: Collection[str] = (),
        direct: Mapping[str, Endpoint] | None = None,
    ) -> None:
        self._app = app
        self._max_body = max_body
        self._max_upload = max_upload
        self._max_depth = max_depth
        self._uploads = frozenset(uploads)
        self._direct = direct or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: _Headers = dict(scope["headers"])
        request_id = _request_id(headers)
        scope[REQUEST_ID] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)  # the server runs each request in its own context
        send = _signed(send, request_id)
        try:
            receive = await self._checked(scope, headers, receive)
        except TuneyardError as error:
            await problem(error, scope)(scope, receive, send)
            return
        endpoint = self._direct.get(scope["path"]) if scope["method"] == "POST" else None
        if endpoint is None:
            await self._app(scope, receive, send)
        else:
            await _answer(endpoint, scope, receive, send)

    async def _checked(self, scope: Scope, headers: _Headers, receive: Receive) -> Receive:
        if scope["method"] in _BODYLESS:
            return receive
        upload = scope["path"] in self._uploads
        limit = self._max_upload if upload else self._max_body
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            raise _too_large(limit)
        if upload:
            return _counting(receive, limit)
        body = await _whole(receive, limit)
        check_depth(body, self._max_depth)
        scope[BODY] = body
        return _replaying(body, receive)


async def _answer(endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    try:
        response = await endpoint(request)
    except Exception as error:  # noqa: BLE001  (what it does not know, it raises again)
        response = await answer_error(request, error)
    await response(scope, receive, send)


def check_depth(body: bytes, deepest: int) -> None:
    """Raise TooLargeError when JSON is nested deeper than ``deepest``: before any parser sees it.

    Nearly every body has fewer brackets than that, and is done with after counting them. In others the strings and all
    but the brackets are removed; then each pass removes the innermost pairs, so the passes count the depth.
    """
    if body.count(b"[") + body.count(b"{") <= deepest:
        return
    brackets = _STRING.sub(b"", body).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(deepest):
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise TooLargeError(f"the body is nested deeper than {deepest} levels, or is no JSON", advice="flatten it")


async def _whole(receive: Receive, limit: int) -> bytes:
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidInputError("the body broke off", advice="send it again")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks) if len(chunks) > 1 else chunks[0]


def _replaying(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _counting(receive: Receive, limit: int) -> Receive:
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise _too_large(limit)
        return message

    return counted


def _signed(send: Send, request_id: str) -> Send:
    signature = [(b"x-request-id", request_id.encode()), *_ALWAYS]

    async def signed(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *signature]
        await send(message)

    return signed


def _request_id(headers: _Headers) -> str:
    given = headers.get(b"x-request-id")
    return given.decode() if given and _VALID_ID.fullmatch(given) else new_id("req")


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit:,} bytes", advice="send less, or a file to an import")
