"""Templates become pages here: one environment that escapes everything, and the words that all templates share."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.review import words
from api.review.views import shown
from api.sessions import CSRF_FIELD, Session
from shared import flower
from shared.contracts import Scope

if TYPE_CHECKING:
    from jinja2 import Environment

SESSION: Final = "tuneyard.session"  # where the route leaves it in the ASGI scope
TOLD_COOKIE: Final = "tuneyard_told"
THEME_COOKIE: Final = "tuneyard_theme"
THEMES: Final = ("light", "dark")

_FOLDER: Final = Path(__file__).parent
STATIC: Final = _FOLDER / "static"

NAVIGATION: Final = (
    ("/", "Home"), ("/review", "Review"), ("/jobs", "Jobs"), ("/models", "Models"), ("/datasets", "Datasets"),
    ("/lineage", "Lineage"), ("/provider", "Provider"), ("/drift", "Drift"),
)  # fmt: skip
FLOWER: Final = (f"{flower.PATH}/", "Flower")


def render(request: Request, template: str, data: Mapping[str, Any], *, status: int = 200) -> Response:
    """Render a template with its data and what every page knows: who looks, the page's token, what was just done."""
    told = unquote(request.cookies.get(TOLD_COOKIE, ""))
    response = HTMLResponse(_text(request, template, data, told), status_code=status)
    if told:
        response.delete_cookie(TOLD_COOKIE)
    return response


def fragment(request: Request, template: str, data: Mapping[str, Any]) -> str:
    """Render a part of a page as text."""
    return _text(request, template, data, "")


def _text(request: Request, template: str, data: Mapping[str, Any], told: str) -> str:
    session: Session | None = request.scope.get(SESSION)
    theme = request.cookies.get(THEME_COOKIE, "")
    return (
        environment()
        .get_template(template)
        .render(
            {
                **data,
                "visitor": session.principal.name if session else None,
                "may": _rights(session),
                "csrf": session.csrf if session else "",
                "csrf_field": CSRF_FIELD,
                "path": request.url.path,
                "theme": theme if theme in THEMES else None,
                "navigation": _navigation(session),
                "told": told,
                "static": f"/static/{static_version()}",
            }
        )
    )


def _navigation(session: Session | None) -> tuple[tuple[str, str], ...]:
    """Return what the person may open of what every page leads to."""
    return (*NAVIGATION, FLOWER) if session and session.principal.may(Scope.ADMIN) else NAVIGATION


def _rights(session: Session | None) -> dict[str, bool]:
    return {scope.value: session is not None and session.principal.may(scope) for scope in Scope}


@lru_cache(maxsize=1)
def environment() -> "Environment":
    """Return the templates' environment: everything is escaped, and an unknown name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {**words.FILTERS, **shown.FILTERS}
    made.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False, default=str)
    made.globals["now"] = lambda: datetime.now(UTC)
    return made


@lru_cache(maxsize=1)
def static_version() -> str:
    """Return a hash of all static files: part of their paths, so that browsers may keep them for good."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
