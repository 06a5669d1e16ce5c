"""How a page's request is answered: who asks, strict headers, and errors as pages.

``@page`` gives a function a short read-only transaction and renders what it returns; ``@action`` gives one a unit of
work, as the API's ``@in_transaction`` does, and sends the browser on to a page.
"""

import functools
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Annotated, Any, Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Depends
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.errors import invalid, status_of
from api.review.render import SESSION, TOLD_COOKIE, render
from api.security import PRINCIPAL
from api.sessions import Session
from api.transaction import REQUEST, Work, with_request
from shared.contracts import Scope
from shared.errors import ForbiddenError, TuneyardError, UnauthenticatedError
from workers.dispatch import wake_up

P = ParamSpec("P")
E = TypeVar("E", bound=Callable[..., Any])
Data = Mapping[str, Any]

_SCOPE: Final = "_site_scope"  # what an endpoint says that it needs

SIGN_IN: Final = "/sign-in"
MOST_TO: Final = 2000  # characters of a place to come back to

# Nothing runs, loads or is sent anywhere but from and to this site, and no other site may frame it.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def strict(response: Response) -> Response:
    """Give a response the headers of all pages, but for those that it has."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


class PublicRoute(APIRoute):
    """A page that anybody may see; errors of it are pages too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.methods and "GET" in self.methods:
            self.methods.add("HEAD")  # what looks whether a page is there; the server sends no body

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                response = await self._answer(request, handler)
            except TuneyardError as error:
                response = error_page(request, error)
            except RequestValidationError as error:
                response = error_page(request, invalid(error.errors()))
            return strict(response)

        return handle

    async def _answer(self, request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
        return await handler(request)


class SiteRoute(PublicRoute):
    """A page for those who are signed in; others are asked to sign in first, and come back here."""

    async def _answer(self, request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
        session: Session | None = await request.app.state.front.sessions.of(request)
        if session is None:
            if request.method in {"GET", "HEAD"}:
                place = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                there = quote(place if len(place) <= MOST_TO else "/", safe="/")
                return RedirectResponse(f"{SIGN_IN}?to={there}", status_code=303)
            raise UnauthenticatedError("you are signed out", advice="sign in, then try again")
        request.scope[SESSION] = session
        request.scope[PRINCIPAL] = session.principal
        require(request, getattr(self.endpoint, _SCOPE, None))  # before anything is read or checked
        return await handler(request)


def site_router() -> APIRouter:
    """Return a router for pages of those who are signed in."""
    return APIRouter(route_class=SiteRoute, include_in_schema=False)


def public_router() -> APIRouter:
    """Return a router for pages that need no sign-in."""
    return APIRouter(route_class=PublicRoute, include_in_schema=False)


def _session(request: Request) -> Session:
    session: Session = request.scope[SESSION]
    return session


Visitor = Annotated[Session, Depends(_session)]
"""Who is signed in; ``Visitor.principal.may(scope)`` says what they may do."""


def page(
    template: str, *, scope: Scope | None = None
) -> Callable[[Callable[Concatenate[Any, P], Data]], Callable[P, Response]]:
    """Give a ``def`` function a read-only transaction as its first parameter, and render its data.

    With ``scope`` only those who hold it see the page.
    """

    def decorate(build: Callable[Concatenate[Any, P], Data]) -> Callable[P, Response]:
        @functools.wraps(build)
        def wrapper(*args: Any, **kwargs: Any) -> Response:
            request: Request = kwargs.pop(REQUEST)
            data = request.app.state.front.database.read(lambda conn: build(conn, *args, **kwargs))
            return render(request, template, data)

        setattr(wrapper, _SCOPE, scope)
        return with_request(wrapper, build, Response)

    return decorate


def action(
    *, scope: Scope | None = None
) -> Callable[[Callable[Concatenate[Work, P], Response]], Callable[P, Response]]:
    """Give a ``def`` function a unit of work as its first parameter; it returns where to go (``send_to``).

    All is rolled back when it raises. The page's token and origin were checked with the session.
    """

    def decorate(act: Callable[Concatenate[Work, P], Response]) -> Callable[P, Response]:
        @functools.wraps(act)
        def wrapper(*args: Any, **kwargs: Any) -> Response:
            request: Request = kwargs.pop(REQUEST)
            front = request.app.state.front
            with front.database.transaction() as conn:
                work = Work(conn)
                answer = act(work, *args, **kwargs)
            front.dispatcher.notify([wake_up(job) for job in work.jobs])
            return answer

        setattr(wrapper, _SCOPE, scope)
        return with_request(wrapper, act, Response)

    return decorate


def needs(scope: Scope) -> Callable[[E], E]:
    """Let only those who hold a scope reach an endpoint that is neither ``@page`` nor ``@action``."""

    def mark(endpoint: E) -> E:
        setattr(endpoint, _SCOPE, scope)
        return endpoint

    return mark


def require(request: Request, scope: Scope | None) -> None:
    """Raise ForbiddenError when the visitor lacks a scope."""
    principal = _session(request).principal
    if scope is not None and not principal.may(scope):
        raise ForbiddenError(
            f"{principal.name} lacks the scope {scope}", advice=f"sign in with a key that has the scope {scope}"
        )


def send_to(place: str, told: str = "") -> Response:
    """Send the browser on to a page of this site, which shows a sentence once. ``place`` is one of our own paths."""
    response = RedirectResponse(place, status_code=303)
    if told:
        response.set_cookie(TOLD_COOKIE, quote(told), max_age=60, httponly=True, samesite="strict")
    return response


def ours(place: str) -> str:
    """Return a path of this site, wherever a link or a form wants to lead; anything else becomes the home page.

    Browsers take a backslash for a slash, and leave out line ends and tabs before they read an address.
    """
    return place if place.startswith("/") and not place.startswith(("//", "/\\")) and place.isprintable() else "/"


def error_page(request: Request, error: TuneyardError) -> Response:
    """Show an error: what happened, and what to do."""
    status = status_of(type(error))
    return render(request, "error.html", {"error": error, "status": status}, status=status.value)
