"""Sign in with an API key, sign out, and choose light or dark."""

from typing import Annotated, Final

import anyio.to_thread
from fastapi import Form, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.deps import FrontDep
from api.review.render import THEME_COOKIE, THEMES, render
from api.review.route import SIGN_IN, Visitor, public_router, send_to, site_router
from api.sessions import COOKIE, check_origin

_public, _site = public_router(), site_router()
ROUTERS: Final = (_public, _site)

_YEAR_S: Final = 365 * 24 * 3600
_MAX_KEY: Final = 200


@_public.get(SIGN_IN, name="site.sign-in")
def ask(request: Request, to: Annotated[str, Query(max_length=2000)] = "/") -> Response:
    """Ask for a key."""
    return render(request, "sign_in.html", {"to": _ours(to), "fault": ""})


@_public.post(SIGN_IN, name="site.do-sign-in")
async def sign_in(
    request: Request,
    front: FrontDep,
    key: Annotated[str, Form(max_length=_MAX_KEY)] = "",
    to: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Open a session for the key's holder, and go where they wanted to go."""
    check_origin(request)
    principal = await front.keys.principal(key.strip()) if key.strip() else None
    if principal is None:
        fault = "This key is unknown or revoked." if key.strip() else "Enter an API key."
        return render(request, "sign_in.html", {"to": _ours(to), "fault": fault}, status=422)
    token = await anyio.to_thread.run_sync(front.sessions.open, principal)
    response = RedirectResponse(_ours(to), status_code=303)
    response.set_cookie(
        COOKIE, token, max_age=front.sessions.seconds, httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return response


@_site.post("/sign-out", name="site.sign-out")
def sign_out(front: FrontDep, visitor: Visitor) -> Response:
    """Close the session."""
    front.sessions.close(visitor)
    response = send_to(SIGN_IN, "You are signed out.")
    response.delete_cookie(COOKIE)
    return response


@_site.post("/theme", name="site.theme")
def choose_theme(theme: Annotated[str, Form()], to: Annotated[str, Form(max_length=2000)] = "/") -> Response:
    """Keep light or dark for this browser; anything else: as the system has it."""
    response = send_to(_ours(to))
    if theme in THEMES:
        response.set_cookie(THEME_COOKIE, theme, max_age=_YEAR_S, httponly=True, samesite="strict")
    else:
        response.delete_cookie(THEME_COOKIE)
    return response


def _ours(place: str) -> str:
    """Return a path of this site; anything else becomes the home page."""
    return place if place.startswith("/") and not place.startswith(("//", "/\\")) and place.isprintable() else "/"
