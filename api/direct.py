"""Routes for the busiest paths, kept short: FastAPI documents such a route and finds it, and that is all.

The endpoint checks the key, reads the body and answers by itself. No dependencies are solved, and nothing is parsed or
validated twice.
"""

import inspect
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Body, Security
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from api.errors import invalid
from api.examples import example_of
from api.security import Guard, Principal
from shared import contracts
from shared.errors import InvalidInputError

B = TypeVar("B", bound=BaseModel)

_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # an escaped one; a backslash before "u0000" is just text


class DirectEndpoint(Generic[B]):
    """Authorises, parses the body, and hands both to ``answer``. For a ``DirectRoute``."""

    def __init__(
        self,
        body: type[B],
        scope: contracts.Scope,
        answer: Callable[[Request, B, Principal], Awaitable[Response]],
        *,
        returns: type[BaseModel],
    ) -> None:
        self._body = body
        self._guard = Guard(scope)
        self._answer = answer
        self.__signature__ = _documented(body, self._guard, returns)

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        who = await self._guard.check(request)
        body = parse(self._body, await request.body(), request.headers.get("content-type"))
        return await self._answer(request, body, who)


class DirectRoute(APIRoute):
    """A route of a ``DirectEndpoint``."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match by comparing text first: there are many routes, and a regular expression costs more."""
        if scope["type"] != "http" or not scope["path"].endswith(self.path):
            return Match.NONE, {}
        return super().matches(scope)

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]  # it is awaited
        """Return the endpoint itself."""
        handler: Callable[[Request], Awaitable[Response]] = self.endpoint
        return handler


def parse(model: type[B], body: bytes, content_type: str | None) -> B:
    """Read a JSON body (none: all defaults). Raises InvalidInputError, or HTTPException 415 for another type."""
    if body and content_type and "json" not in content_type.lower():
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
    if b"u0000" in body and _NUL.search(body):
        raise InvalidInputError("the body holds a NUL character", advice="leave it out: no text may hold one")
    try:
        return model.model_validate_json(body or b"{}", strict=True)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False), "body") from None


def _documented(body: type[BaseModel], guard: Guard, returns: type[BaseModel]) -> inspect.Signature:
    """Return the signature that FastAPI reads for the documentation."""
    example: Any = {"example": {"value": example_of(body)}}
    parameter = Annotated[body, Body(openapi_examples=example)]  # type: ignore[valid-type]  # a model at run time
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature(
        [
            inspect.Parameter("body", keyword, annotation=parameter, default=_default_of(body)),
            inspect.Parameter("who", keyword, annotation=Annotated[Principal, Security(guard)]),
        ],
        return_annotation=returns,
    )


def _default_of(body: type[BaseModel]) -> Any:
    """Return what no body at all means, or that there must be one."""
    try:
        return body()
    except ValidationError:  # a field is required, or one of several
        return inspect.Parameter.empty
