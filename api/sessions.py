"""Who is signed in to the review site: a cookie in place of an API key, for pages and for what their scripts ask.

The cookie's token is random, kept as a hash, and as good as the key that it was got with: a revoked key ends it. A
request that changes something needs more than the cookie, since a browser sends it by itself: a token of the page
(``X-CSRF-Token``, or a form's field), and an origin that is ours.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

import anyio.to_thread
from starlette.requests import Request

from api.middleware import BODY
from api.security import Principal
from shared import ids
from shared.db import sessions as rows
from shared.db.pool import Database
from shared.errors import ForbiddenError
from shared.keys import hash_of

COOKIE: Final = "tuneyard_session"
CSRF_HEADER: Final = "X-CSRF-Token"
CSRF_FIELD: Final = "csrf_token"

_TOKEN_BYTES: Final = 32
_MAX_TOKEN_CHARS: Final = 100
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Session:
    """An open session. ``csrf`` is what its pages send along with whatever changes something."""

    id: str
    principal: Principal
    csrf: str


class Sessions:
    """Opens, finds and closes sessions."""

    def __init__(self, database: Database, *, hours: float, days: float) -> None:
        self._database = database
        self._lasting = rows.Lasting(unused=hours * 3600, most=days * 24 * 3600)

    @property
    def seconds(self) -> int:
        """How long a session lasts at most: so long a browser keeps its cookie, which may be of no use before."""
        return int(self._lasting.most)

    def open(self, principal: Principal) -> str:
        """Open a session for a key's holder; returns the token for the cookie."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        with self._database.transaction() as conn:
            rows.open_session(conn, ids.new_id(ids.SESSION), hash_of(token), principal.key_id, self._lasting)
        return token

    def close(self, session: Session) -> None:
        """Close a session: its cookie is of no use from now on."""
        with self._database.transaction() as conn:
            rows.close_session(conn, session.id)

    async def of(self, request: Request) -> Session | None:
        """Return the request's session, if it has an open one.

        Raises ForbiddenError when the request changes something and was not sent by a page of this session.
        """
        token = request.cookies.get(COOKIE, "")
        if not token or len(token) > _MAX_TOKEN_CHARS:
            return None
        session = await anyio.to_thread.run_sync(self._find, token)
        if session is not None and request.method not in _SAFE:
            check_origin(request)
            _check_csrf(request, session)
        return session

    def _find(self, token: str) -> Session | None:
        found = self._database.read(lambda conn: rows.by_hash(conn, hash_of(token)))
        if found is None:
            return None
        if found.stale:  # at most once a minute: a page must not cost a write
            with self._database.transaction() as conn:
                rows.seen(conn, found.id, self._lasting)
        return Session(found.id, Principal(found.key_id, found.name, frozenset(found.scopes)), _csrf_of(token))


def check_origin(request: Request) -> None:
    """Raise ForbiddenError when a browser says that another site's page sent this request."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    if site not in {"same-origin", "none"} or (origin and urlsplit(origin).netloc != request.headers.get("host")):
        raise ForbiddenError("another site sent this request", advice="open the page here, then try again")


def _check_csrf(request: Request, session: Session) -> None:
    given = request.headers.get(CSRF_HEADER) or _form_field(request)
    if not hmac.compare_digest(given.encode(), session.csrf.encode()):
        raise ForbiddenError(
            "the request lacks its page's token, or the page is of an earlier session",
            advice="load the page again, then try again",
            code="csrf",
        )


def _form_field(request: Request) -> str:
    if not request.headers.get("content-type", "").startswith(_FORM):
        return ""
    body: bytes = request.scope.get(BODY, b"")
    return parse_qs(body.decode("utf-8", "replace")).get(CSRF_FIELD, [""])[-1]


def _csrf_of(token: str) -> str:
    """Derive the pages' token: who knows it does not know the cookie's."""
    return hashlib.sha256(b"csrf:" + token.encode()).hexdigest()
