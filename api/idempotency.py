"""``Idempotency-Key``: the same key and request give the same answer, another request under it is refused.

Keys belong to their principal. A job's key is written with the job (``shared/db/submissions.py``); here are the others.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio.to_thread
from psycopg import Connection
from starlette.requests import HTTPConnection, Request

from api.middleware import BODY
from api.security import principal_of
from shared.contracts import JsonObject
from shared.db import idempotency as rows
from shared.db.pool import Database
from shared.errors import ConflictError, InvalidInputError

_VALID: Final = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class Claim:
    """A key, whose it is, and what is asked under it."""

    actor: str
    key: str
    request: bytes

    def earlier_answer(self, conn: Connection) -> tuple[JsonObject, int]:
        """Return the body and status that the key got before.

        Raises InvalidInputError when it stands for another request.
        """
        earlier = rows.find(conn, self.actor, self.key, self.request)
        if earlier is None:
            raise ConflictError("the request under this Idempotency-Key has just failed", advice="try again")
        if not earlier.same or earlier.status is None or earlier.body is None:
            raise reused()
        return earlier.body, earlier.status


def key_of(connection: HTTPConnection) -> str | None:
    """Return the request's key, if it has one. Raises InvalidInputError unless it is printable and short."""
    key = connection.headers.get("idempotency-key")
    if key is not None and not _VALID.fullmatch(key):
        raise InvalidInputError("Idempotency-Key must be 1 to 255 printable characters", advice="send a UUID")
    return key


def claim_of(request: Request) -> Claim | None:
    """Return what a guarded request claims, if it has a key."""
    key = key_of(request)
    if key is None:
        return None
    asked = f"{request.method} {request.url.path}\n".encode() + request.scope.get(BODY, b"")
    return Claim(principal_of(request).name, key, asked)


def reused() -> InvalidInputError:
    """Say that a key stands for another request."""
    return InvalidInputError(
        "this Idempotency-Key was used for another request",
        advice="send a new key with a new request",
        code="idempotency-key-reused",
    )


async def once(
    database: Database, claim: Claim | None, answer: Callable[[], Awaitable[JsonObject]]
) -> tuple[JsonObject, int]:
    """Answer a call, or repeat the answer that its key got before; returns body and status.

    A call holds no transaction: two at the same time under one key both compute, and both get the first one's answer.
    """
    if claim is None:
        return await answer(), 200
    known = await anyio.to_thread.run_sync(_find, database, claim)
    if known is not None:
        return known
    return await anyio.to_thread.run_sync(_keep, database, claim, await answer())


def _find(database: Database, claim: Claim) -> tuple[JsonObject, int] | None:
    with database.reading() as conn:
        return claim.earlier_answer(conn) if rows.find(conn, claim.actor, claim.key, claim.request) else None


def _keep(database: Database, claim: Claim, body: JsonObject) -> tuple[JsonObject, int]:
    with database.transaction() as conn:
        if not rows.take(conn, claim.actor, claim.key, claim.request):
            return claim.earlier_answer(conn)
        rows.keep(conn, claim.actor, claim.key, status=200, body=body)
        return body, 200
