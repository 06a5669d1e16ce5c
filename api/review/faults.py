"""Pages for what goes wrong before, beside or inside a page of the site: no such page, and faults of ours.

Only browsers get them, and never under ``/v1`` and ``/openai``: programs get problem documents (api/errors.py).
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, cast

import psycopg
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.errors import REQUEST_ID
from api.review.render import SESSION, render
from api.review.route import error_page, strict
from shared.errors import InvalidInputError, TuneyardError

Handler = Callable[[Request, Exception], Awaitable[Response]]

_OF_PROGRAMS: Final = ("/v1/", "/openai/", "/api/", "/problems/")
_ADVICE: Final = {
    HTTPStatus.NOT_FOUND: "look at the address, or start from the home page",
    HTTPStatus.METHOD_NOT_ALLOWED: "open the page again, and use its buttons",
}


def install(app: FastAPI) -> None:
    """Let the application answer browsers with pages. Comes after ``api.errors.install``, whose handlers it asks."""
    for kind, answer in ((HTTPException, _missing), (psycopg.DataError, _unstorable), (Exception, _broken)):
        documented = cast("Handler", app.exception_handlers[kind])
        app.add_exception_handler(kind, _either(answer, documented))


def _either(page: Handler, documented: Handler) -> Handler:
    async def answer(request: Request, error: Exception) -> Response:
        if not _wants_page(request):
            return await documented(request, error)
        return strict(await page(request, error))

    return answer


def _wants_page(request: Request) -> bool:
    by_browser = "text/html" in request.headers.get("accept", "")
    return by_browser and not request.url.path.startswith(_OF_PROGRAMS)


async def _missing(request: Request, error: Exception) -> Response:
    """Answer what the framework found: mostly an address that is no page."""
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    found = TuneyardError(
        "there is no such page" if status is HTTPStatus.NOT_FOUND else str(error.detail).lower(),
        advice=_ADVICE.get(status, "start from the home page"),
    )
    if SESSION not in request.scope and request.method in {"GET", "HEAD"}:
        request.scope[SESSION] = await request.app.state.front.sessions.of(request)  # the page has its usual frame
    return render(request, "error.html", {"error": found, "status": status}, status=status.value)


async def _unstorable(request: Request, _error: Exception) -> Response:
    refused = InvalidInputError("a value cannot be stored", advice="leave out characters that nobody can type")
    return error_page(request, refused)


async def _broken(request: Request, _error: Exception) -> Response:
    """Answer a fault of ours. Starlette raises the error again afterwards, so the server's log has the trace."""
    number = request.scope.get(REQUEST_ID, "")
    told = TuneyardError("something went wrong inside Tuneyard", advice=f"the log tells more, by the id {number}")
    return error_page(request, told)
