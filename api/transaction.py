"""The route wrapper that owns the transaction of an endpoint: commit first, then answer.

(FastAPI runs what follows a dependency's ``yield`` after the response is sent, which is too late for a promise.)
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from psycopg import Connection
from pydantic import BaseModel
from starlette.requests import Request

from api.deps import Front
from api.idempotency import Claim, claim_of
from api.wire import json_response
from shared.db import idempotency
from shared.jobs import Job
from workers.dispatch import wake_up

P = ParamSpec("P")
R = TypeVar("R", bound=BaseModel)
A = TypeVar("A")

REQUEST: Final = "request_"


@dataclass(frozen=True)
class Work:
    """An open transaction, and the jobs to wake up when it is committed."""

    conn: Connection
    jobs: list[Job] = field(default_factory=list)

    def wake(self, jobs: Sequence[Job]) -> None:
        """Send these jobs after the commit; a rollback discards them."""
        self.jobs.extend(jobs)


def reading(endpoint: Callable[Concatenate[Connection, P], R]) -> Callable[P, R]:
    """Give a ``def`` endpoint a short read-only transaction as its first parameter."""

    @functools.wraps(endpoint)
    def wrapper(*args: Any, **kwargs: Any) -> R:
        front = _front_of(kwargs.pop(REQUEST))
        return front.database.read(lambda conn: endpoint(conn, *args, **kwargs))

    return with_request(wrapper, endpoint)


def in_transaction(endpoint: Callable[Concatenate[Work, P], R]) -> Callable[P, R]:
    """Give a ``def`` endpoint a unit of work as its first parameter, and heed its ``Idempotency-Key``.

    The answer is remembered under the key in the same transaction, so either both stand or neither. An error rolls all
    back and is not remembered. The endpoint must be guarded: the key belongs to the principal.
    """

    @functools.wraps(endpoint)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        request: Request = kwargs.pop(REQUEST)
        front, claim = _front_of(request), claim_of(request)
        with front.database.transaction() as conn:
            if claim and not idempotency.take(conn, claim.actor, claim.key, claim.request):
                return json_response(*claim.earlier_answer(conn))
            work = Work(conn)
            answer = endpoint(work, *args, **kwargs)
            if claim:
                _remember(conn, claim, request, answer)
        front.dispatcher.notify([wake_up(job) for job in work.jobs])
        return answer

    return with_request(wrapper, endpoint)


def _remember(conn: Connection, claim: Claim, request: Request, answer: BaseModel) -> None:
    once: frozenset[str] = getattr(answer, "SHOWN_ONCE", frozenset())
    body = {**answer.model_dump(mode="json", exclude=set(once)), **dict.fromkeys(once)}
    status = getattr(request.scope.get("route"), "status_code", None) or 200
    idempotency.keep(conn, claim.actor, claim.key, status=status, body=body)


def _front_of(request: Request) -> Front:
    front: Front = request.app.state.front
    return front


def with_request(
    wrapper: Callable[..., A], endpoint: Callable[..., Any], answer: type | None = None
) -> Callable[..., A]:
    """Let FastAPI pass the request (as ``REQUEST``), and not look for the first parameter.

    ``answer``: what the wrapper returns, where that is not what the endpoint returns.
    """
    signature = inspect.signature(endpoint)
    request = inspect.Parameter(REQUEST, inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    parameters = [*list(signature.parameters.values())[1:], request]
    shown = signature.replace(parameters=parameters, return_annotation=answer or signature.return_annotation)
    wrapper.__signature__ = shown  # type: ignore[attr-defined]  # see PEP 362
    return wrapper
