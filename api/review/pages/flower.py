"""Flower's own pages, for administrators who are signed in here: ``/flower/…`` is fetched from it, and passed on.

Flower itself is for the front alone: it listens where nobody else is, and wants a password that only the front is told.
What it can do besides showing (metrics, orders to workers) is not passed on.
"""

import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from api.deps import FrontDep
from api.review.route import needs, site_router
from shared.contracts import Scope
from shared.errors import NotFoundError, UnavailableError
from shared.flower import PATH, USER
from shared.settings import Settings

if TYPE_CHECKING:
    import httpx

_site = site_router()
ROUTERS: Final = (_site,)

_SHOWN: Final = re.compile(r"|workers|worker/.+|tasks|tasks/datatable|task/.+|broker|api/workers|static/.+")
_ALWAYS: Final = frozenset({"", "workers", "tasks", "broker"})
_ASKED: Final = ("accept", "if-none-match", "if-modified-since")
_PASSED_ON: Final = ("content-type", "etag", "last-modified")
_MOST_BYTES: Final = 16_000_000
_MOST_SECONDS: Final = 15.0
_CONNECT_SECONDS: Final = 1.0
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(:\d+)?")
# The one inline script of its pages, by its hash: `var autorefresh = 1`.
_INLINE: Final = "'sha256-A0YIP5A+DKoseGAUTHRoMPDkKPK5cKzfYH3mjcCKtj8='"


@_site.get(PATH, name="site.flower")
@needs(Scope.ADMIN)
def flower() -> Response:
    """Lead to Flower's first page."""
    return RedirectResponse(f"{PATH}/", status_code=HTTPStatus.SEE_OTHER)


@_site.get(f"{PATH}/{{path:path}}", name="site.flower-page")
@needs(Scope.ADMIN)
async def flower_page(request: Request, front: FrontDep, path: str) -> Response:
    """Pass on a page of Flower, or a part of one. Raises NotFoundError or UnavailableError."""
    if not _SHOWN.fullmatch(path) or ".." in path.split("/"):
        raise NotFoundError("Flower's pages have no such address", advice=f"start from {PATH}/")
    async with AsyncExitStack() as stack:
        answer = await _ask(front.settings, request, path, stack)
        headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
        if path.startswith("static/"):
            headers["Cache-Control"] = "private, max-age=3600"
        headers["Content-Security-Policy"] = _policy(request.headers.get("host", ""))
        kept = stack.pop_all()
    return StreamingResponse(_body(answer, kept), status_code=answer.status_code, headers=headers)


async def _ask(settings: Settings, request: Request, path: str, stack: AsyncExitStack) -> "httpx.Response":
    """Ask Flower; the answer's body is still on its way. Nothing of the visitor is told but what they want to see."""
    import httpx

    if not settings.flower_url:
        raise UnavailableError("this front knows no Flower", advice="set FLOWER_URL and FLOWER_PASSWORD for it")
    password = settings.flower_password.get_secret_value()
    client = await stack.enter_async_context(
        httpx.AsyncClient(
            auth=(USER, password),
            timeout=httpx.Timeout(_MOST_SECONDS, connect=_CONNECT_SECONDS),
            trust_env=False,
            verify=settings.flower_url.startswith("https"),  # loading certificates takes longer than a page
        )
    )
    url = httpx.URL(settings.flower_url).copy_with(path=f"{PATH}/{path}", query=request.url.query.encode())
    headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
    try:
        answer = await stack.enter_async_context(
            client.stream("GET", url, headers={**headers, "Accept-Encoding": "identity"})
        )
    except httpx.TransportError as error:
        raise UnavailableError(
            "Flower does not answer", advice="see tuneyard status; in compose: docker compose up --detach flower"
        ) from error
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        raise UnavailableError(
            "Flower does not take this front's password", advice="give both the same FLOWER_PASSWORD"
        )
    if answer.status_code == HTTPStatus.NOT_FOUND and path in _ALWAYS:
        raise UnavailableError(f"Flower has no pages under {PATH}", advice="start it with FLOWER_URL_PREFIX=flower")
    if answer.is_redirect or answer.is_server_error:
        raise UnavailableError(f"Flower answers {answer.status_code}", advice="its log says more")
    return answer


async def _body(answer: "httpx.Response", open_still: AsyncExitStack) -> AsyncIterator[bytes]:
    """Pass the body on as it comes; a body too large, or too slow, is broken off."""
    size, deadline = 0, time.monotonic() + _MOST_SECONDS
    async with open_still:
        async for chunk in answer.aiter_raw():
            size += len(chunk)
            if size > _MOST_BYTES or time.monotonic() > deadline:
                raise UnavailableError("Flower's page is too large, or too slow", advice="ask it for less")
            yield chunk


def _policy(host: str) -> str:
    """Return the Content-Security-Policy of Flower's pages: as ours, but for what they cannot do without.

    They are of our origin, so their scripts could ask our API with the visitor's cookie: they may only load and ask
    what is under their own path. Their inline script is known by its hash.
    """
    own = f"{host}{PATH}/" if _HOST.fullmatch(host) else "'self'"
    return (
        f"default-src 'none'; script-src {own} {_INLINE}; style-src {own}; img-src {own} data:; "
        f"font-src {own}; connect-src {own}; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
