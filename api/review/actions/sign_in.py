"""Sign in with an API key, sign out, and choose light or dark."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final

import anyio.to_thread
from fastapi import Form, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.deps import FrontDep
from api.review.render import THEME_COOKIE, THEMES, render
from api.review.route import MOST_TO, SIGN_IN, Visitor, ours, public_router, send_to, site_router
from api.review.words import span
from api.sessions import COOKIE, check_origin

_public, _site = public_router(), site_router()
ROUTERS: Final = (_public, _site)

_YEAR_S: Final = 365 * 24 * 3600
_MAX_KEY: Final = 200


@_public.get(SIGN_IN, name="site.sign-in")
def ask(request: Request, to: Annotated[str, Query(max_length=MOST_TO)] = "/") -> Response:
    """Ask for a key."""
    return render(request, "sign_in.html", {"to": ours(to), "fault": ""})


@_public.post(SIGN_IN, name="site.do-sign-in")
async def sign_in(
    request: Request,
    front: FrontDep,
    key: Annotated[str, Form(max_length=_MAX_KEY)] = "",
    to: Annotated[str, Form(max_length=MOST_TO)] = "/",
) -> Response:
    """Open a session for the key's holder, and go where they wanted to go."""
    check_origin(request)
    if not key.strip():
        return _again(request, to, "Enter an API key.")
    address = request.client.host if request.client else ""
    if wait := front.sign_ins.take(address):
        fault = f"Too many wrong keys were tried. Try again in {span(wait)}."
        return _again(request, to, fault, HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(wait)})
    principal = await front.keys.principal(key.strip())
    if principal is None:
        return _again(request, to, "This key is unknown or revoked.")
    front.sign_ins.give_back(address)
    token = await anyio.to_thread.run_sync(front.sessions.open, principal)
    response = RedirectResponse(ours(to), status_code=303)
    response.set_cookie(
        COOKIE, token, max_age=front.sessions.seconds, httponly=True, samesite="strict",
        secure=request.url.scheme == "https",  # as the proxy before us says, if there is one (TRUSTED_PROXIES)
    )  # fmt: skip
    return response


def _again(
    request: Request, to: str, fault: str, status: int = 422, headers: Mapping[str, str] | None = None
) -> Response:
    """Show the form again, with what was wrong."""
    response = render(request, "sign_in.html", {"to": ours(to), "fault": fault}, status=status)
    response.headers.update(headers or {})
    return response


@_site.post("/sign-out", name="site.sign-out")
def sign_out(front: FrontDep, visitor: Visitor) -> Response:
    """Close the session."""
    front.sessions.close(visitor)
    response = send_to(SIGN_IN, "You are signed out.")
    response.delete_cookie(COOKIE)
    return response


@_site.post("/theme", name="site.theme")
def choose_theme(theme: Annotated[str, Form()], to: Annotated[str, Form(max_length=MOST_TO)] = "/") -> Response:
    """Keep light or dark for this browser; anything else: as the system has it."""
    response = send_to(ours(to))
    if theme in THEMES:
        response.set_cookie(THEME_COOKIE, theme, max_age=_YEAR_S, httponly=True, samesite="strict")
    else:
        response.delete_cookie(THEME_COOKIE)
    return response
