"""Who is asking, and may they: API keys with scopes.

A key is looked up once and then believed for two seconds, so a request seldom costs a query, and a revoked key is of no
use soon.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from starlette.requests import HTTPConnection, Request

from shared import contracts
from shared.db import keys as key_rows
from shared.db.pool import Database
from shared.errors import ForbiddenError, UnauthenticatedError
from shared.keys import hash_of

_BELIEVED_S: Final = 2.0
_REMEMBERED: Final = 4096  # unknown keys are remembered too: a flood of them must not become a flood of queries
PRINCIPAL: Final = "tuneyard.principal"  # where it lies in the ASGI scope of a request that was let through

_bearer = HTTPBearer(auto_error=False, scheme_name="bearer", description="An API key: `Authorization: Bearer ty_…`")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="header", description="The same key, alone.")


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever holds a key. ``name`` is what jobs, labels and promotions record as their actor."""

    key_id: str
    name: str
    scopes: frozenset[str]

    def may(self, scope: contracts.Scope) -> bool:
        """Whether this scope, or ``admin``, was given."""
        return scope in self.scopes or contracts.Scope.ADMIN in self.scopes


class KeyRing:
    """Looks up keys, and remembers for a moment what it found."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[bytes, tuple[float, Principal | None]] = OrderedDict()

    async def principal(self, plaintext: str) -> Principal | None:
        """Return who holds this key; None when it is unknown or revoked. Raises UnavailableError."""
        key_hash = hash_of(plaintext)
        found = self._known.get(key_hash)
        if found is not None and time.monotonic() - found[0] < _BELIEVED_S:
            return found[1]
        if found is not None:  # one request looks again, the others believe meanwhile
            self._known[key_hash] = (time.monotonic(), found[1])
        principal = await anyio.to_thread.run_sync(self._look_up, key_hash)
        self._known[key_hash] = (time.monotonic(), principal)
        self._known.move_to_end(key_hash)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return principal

    def forget(self) -> None:
        """Look every key up again: one was just revoked here."""
        self._known.clear()

    def _look_up(self, key_hash: bytes) -> Principal | None:
        key = self._database.read(lambda conn: key_rows.by_hash(conn, key_hash))
        return Principal(key.id, key.name, frozenset(key.scopes)) if key else None


@dataclass(frozen=True)
class Guard:
    """A dependency that lets a request through only with a key, and with a scope if one is asked for."""

    scope: contracts.Scope | None = None

    async def __call__(
        self,
        request: Request,
        _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        _key: Annotated[str | None, Security(_header)],
    ) -> Principal:
        """Serve FastAPI. The two parameters are for the documentation: ``check`` reads the headers itself."""
        return await self.check(request)

    async def check(self, request: Request) -> Principal:
        """Return who asks. Raises UnauthenticatedError, ForbiddenError or UnavailableError."""
        principal = await _principal_behind(request)
        if self.scope is not None and not principal.may(self.scope):
            raise ForbiddenError(
                f"the API key {principal.name} lacks the scope {self.scope}",
                advice=f"use a key with the scope {self.scope}",
            )
        request.scope[PRINCIPAL] = principal
        return principal


async def _principal_behind(request: Request) -> Principal:
    """Return who asks: by a key, or by the session of the page that asks."""
    plaintext = _key_of(request)
    if plaintext is None:
        session = await request.app.state.front.sessions.of(request)
        if session is None:
            raise UnauthenticatedError(
                "no API key was sent", advice="send Authorization: Bearer ty_…; an administrator makes keys"
            )
        signed_in: Principal = session.principal
        return signed_in
    ring: KeyRing = request.app.state.front.keys
    principal = await ring.principal(plaintext)
    if principal is None:
        raise UnauthenticatedError("the API key is unknown or revoked", advice="ask an administrator for a key")
    return principal


def requires(scope: contracts.Scope | None = None) -> Any:
    """Declare a parameter of an endpoint as the principal, who must hold this scope (None: any key will do)."""
    return Security(Guard(scope))


def principal_of(connection: HTTPConnection) -> Principal:
    """Return the principal that a guard let through."""
    principal: Principal = connection.scope[PRINCIPAL]
    return principal


def _key_of(request: Request) -> str | None:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and value.strip():
        return value.strip()
    return request.headers.get("x-api-key") or None
