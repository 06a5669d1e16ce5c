"""Errors become problem documents (RFC 9457), here and nowhere else. No stack trace leaves the process.

Under ``/openai`` they are worded as OpenAI words its own.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import psycopg
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from api.routes.openai.errors import openai_error, speaks_openai
from api.wire import dumps
from shared import errors
from shared.errors import InvalidInputError, TuneyardError

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"
REQUEST_ID: Final = "tuneyard.request_id"  # where the middleware leaves it in the ASGI scope
_TYPE_BASE: Final = "/problems/"

_STATUS: Final[Mapping[type[TuneyardError], HTTPStatus]] = {
    errors.InvalidInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.ConflictError: HTTPStatus.CONFLICT,
    errors.UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    errors.ForbiddenError: HTTPStatus.FORBIDDEN,
    errors.TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.RefusedError: HTTPStatus.CONFLICT,
    errors.UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_HEADERS: Final[Mapping[HTTPStatus, Mapping[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="tuneyard"'},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "5"},
}


def meanings() -> Mapping[str, str]:
    """Return each problem's code and what it means: the classes' own docstrings."""
    classes: tuple[type[TuneyardError], ...] = (TuneyardError, *_STATUS, errors.CorruptError)
    return {c.code: (c.__doc__ or "").strip() for c in classes}


def status_of(kind: type[TuneyardError]) -> HTTPStatus:
    """Return the status that a kind of error is answered with."""
    return next((_STATUS[c] for c in kind.__mro__ if c in _STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)


def problem(error: TuneyardError, scope: Scope | None = None) -> Response:
    """Describe an error of ours to a client."""
    status = status_of(type(error))
    title = meanings().get(type(error).code, errors.TuneyardError.__doc__ or "")
    document: dict[str, Any] = {
        "type": _TYPE_BASE + error.instance_code,
        "title": title,
        "status": status.value,
        "detail": error.message,
        "code": error.instance_code,
    }
    if error.advice:
        document["advice"] = error.advice
    if error.details:
        document["details"] = error.details
    return _respond(document, scope, _HEADERS.get(status, {}))


def invalid(found: Sequence[Mapping[str, Any]], where: str | None = None) -> InvalidInputError:
    """Turn pydantic's findings into one error: where and why, but not the value, which may be anybody's secret."""
    faults = [
        {"where": ".".join(str(p) for p in ((where,) if where else ()) + tuple(f["loc"])), "why": f["msg"]}
        for f in found
    ]
    first = f"{faults[0]['where']}: {faults[0]['why']}" if faults else "it does not fit its schema"
    return InvalidInputError(
        f"the request breaks its contract: {first}", advice="see /docs for what is expected", errors=faults
    )


def _respond(document: dict[str, Any], scope: Scope | None, headers: Mapping[str, str]) -> Response:
    if scope and speaks_openai(scope["path"]):
        return openai_error(document, headers)
    if scope and (request_id := scope.get(REQUEST_ID)):
        document["request_id"] = request_id
    return Response(dumps(document), status_code=document["status"], media_type=MEDIA_TYPE, headers=dict(headers))


async def _on_ours(request: Request, error: Exception) -> Response:
    if not isinstance(error, TuneyardError):
        raise error
    answer = problem(error, request.scope)
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request failed", code=error.instance_code, reason=error.message, path=request.url.path)
    return answer


async def _on_invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    return problem(invalid(error.errors()), request.scope)


async def _on_unstorable(request: Request, error: Exception) -> Response:
    """PostgreSQL refuses some text that JSON allows (NUL) and numbers out of range: the client's fault."""
    log.info("the database refused a value", reason=type(error).__name__, path=request.url.path)
    refused = InvalidInputError("a value cannot be stored", advice="leave out NUL characters and numbers out of range")
    return problem(refused, request.scope)


async def _on_http(request: Request, error: Exception) -> Response:
    """Answer what the framework itself finds: no such path, method not allowed, broken body."""
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "-").replace("'", "")
    document = {
        "type": _TYPE_BASE + code,
        "title": status.phrase,
        "status": status.value,
        "detail": str(error.detail),
        "code": code,
    }
    return _respond(document, request.scope, error.headers or {})


async def _on_anything(request: Request, error: Exception) -> Response:
    """Answer a fault of ours. Starlette raises the error again afterwards, so the server's log has the trace."""
    return problem(
        TuneyardError(
            f"something went wrong inside Tuneyard ({type(error).__name__})", advice="the log tells more, by request_id"
        ),
        request.scope,
    )


_HANDLERS: Final[Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]]] = {
    TuneyardError: _on_ours,
    RequestValidationError: _on_invalid,
    HTTPException: _on_http,
    psycopg.DataError: _on_unstorable,
}


async def answer_error(request: Request, error: Exception) -> Response:
    """Answer an error of an endpoint, as the application would. One that nobody expects is raised again."""
    for kind in type(error).__mro__:
        if kind in _HANDLERS:
            return await _HANDLERS[kind](request, error)
    raise error


def install(app: FastAPI) -> None:
    """Let the application answer every error with a problem document."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(Exception, _on_anything)
