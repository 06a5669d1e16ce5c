"""A provider of OpenAI's API that fails as real ones do: a real HTTP server over a real socket, for tests only.

    with FaultProvider() as provider:
        provider.fail("create", Fault.DROP_AFTER)        # the next POST is accepted, and its answer is lost
        client = OpenAI(base_url=provider.url, api_key="any", max_retries=0)

Operations that ``fail`` knows: upload, files, file, content, delete-file, create, list, retrieve, cancel, pause,
resume, events, checkpoints, chat, embeddings, models, model; ``*`` is any of them.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from types import TracebackType
from typing import NamedTuple, Self

from tests.support.fault_api import ProviderApi, refuse
from tests.support.fault_jobs import ORGANIZATION, JsonObject, TrainingJob, number
from tests.support.small_http import Delivery, Reply, Request, SmallServer


class Fault(Enum):
    """What may go wrong with one request. BEFORE: it has no effect. AFTER: it has, and the client is not told."""

    BUSY = "429"
    ERROR_BEFORE = "500 before accepting"
    ERROR_AFTER = "500 after accepting"
    DROP_BEFORE = "connection closed before accepting"
    DROP_AFTER = "connection closed after accepting"
    SLOW_BEFORE = "no answer, not accepted"
    SLOW_AFTER = "no answer, accepted"
    CUT_AFTER = "half an answer, accepted"
    GARBAGE_AFTER = "an answer that is no JSON, accepted"
    TIMEOUT_AFTER = "408, accepted"
    CONFLICT_BEFORE = "409"
    REJECTED = "400"
    UNAUTHORIZED = "401"
    CLOSED = "403: the account may not do this any more"


_REFUSALS = {
    Fault.BUSY: (429, "rate_limit_exceeded", "Rate limit reached."),
    Fault.ERROR_BEFORE: (500, "server_error", "The server had an error."),
    Fault.CONFLICT_BEFORE: (409, "conflict", "Another request is under way."),
    Fault.REJECTED: (400, "invalid_request_error", "The request was refused."),
    Fault.UNAUTHORIZED: (401, "invalid_api_key", "Incorrect API key provided."),
    Fault.CLOSED: (403, "fine_tuning_closed", "Fine-tuning is not available to this organization."),
}
_LOST_BEFORE = {Fault.DROP_BEFORE: Delivery.DROP, Fault.SLOW_BEFORE: Delivery.HOLD}
_LOST_AFTER = {
    Fault.DROP_AFTER: Delivery.DROP, Fault.SLOW_AFTER: Delivery.HOLD, Fault.CUT_AFTER: Delivery.CUT,
}  # fmt: skip


class Asked(NamedTuple):
    """A line of the log of requests."""

    operation: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]


@dataclass(eq=False)
class _Plan:
    operation: str
    fault: Fault
    left: int | None
    skip: int
    retry_after: str


class FaultProvider(ProviderApi):
    """The server. Its properties may be read and its methods called from the test's thread at any time."""

    def __init__(self, *, api_key: str | None = None, steps: int = 3, auto: bool = False) -> None:
        super().__init__(steps=steps, auto=auto)
        self.api_key = api_key
        """If set, requests with any other key get 401."""
        self.requests: list[Asked] = []
        self._plans: list[_Plan] = []
        self._lock = threading.RLock()
        self._server = SmallServer(self._handle)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    # --- what a test sees and does ------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"{self._server.url}/v1"

    @property
    def jobs(self) -> list[TrainingJob]:
        """All jobs ever accepted, oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def job(self, job_id: str) -> TrainingJob:
        """Return a job. Raises KeyError."""
        return self._jobs[job_id]

    def count(self, *operations: str) -> int:
        """Return how many requests for these operations came (of any operation when none is given)."""
        with self._lock:
            return sum(1 for asked in self.requests if not operations or asked.operation in operations)

    def fail(self, where: str, fault: Fault, times: int | None = 1, *, skip: int = 0, retry_after: str = "1") -> None:
        """Let the next ``times`` requests (None: all) for an operation go wrong, after ``skip`` that do not."""
        with self._lock:
            self._plans.append(_Plan(where, fault, times, skip, retry_after))

    def heal(self) -> None:
        """Forget all planned faults."""
        with self._lock:
            self._plans.clear()

    def lag(self, lists: int = 0, seconds: float = 0.0) -> None:
        """Let jobs accepted from now on stay out of so many lists, and of all lists for so long."""
        with self._lock:
            self._lag = (lists, seconds)

    def advance(self, job_id: str, status: str) -> None:
        """Put a job into a state: one of the API's, ``safety`` (failed after training), or one it does not know."""
        with self._lock:
            job = self._jobs[job_id]
            if status == "safety":
                job.fail_safety()
            else:
                job.set(status)

    def add_jobs(self, count: int, *, status: str = "running", metadata: Callable[[int], JsonObject]) -> list[str]:
        """Add jobs without requests, for tests of scale; ``metadata`` is asked with the number of each."""
        with self._lock:
            return [self._add({"model": "gpt-6-mini", "training_file": "file-none", "metadata": metadata(n)}, status)
                    for n in range(count)]  # fmt: skip

    # --- the server ---------------------------------------------------------------------------------------------

    def _handle(self, request: Request) -> Reply:
        with self._lock:
            operation, action, arguments = self._route(request)
            self.requests.append(Asked(operation, request.method, request.path, request.query))
            if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
                return refuse(*_REFUSALS[Fault.UNAUTHORIZED])
            plan = self._planned(operation)
            if plan and plan.fault in _REFUSALS:
                return refuse(
                    *_REFUSALS[plan.fault], retry_after=plan.retry_after if plan.fault is Fault.BUSY else None
                )
            if plan and plan.fault in _LOST_BEFORE:
                return Reply(delivery=_LOST_BEFORE[plan.fault])
            return _spoil(action(request, *arguments), plan.fault if plan else None)

    def _planned(self, operation: str) -> _Plan | None:
        for plan in self._plans:
            if plan.operation in {operation, "*"}:
                if plan.skip:
                    plan.skip -= 1
                    return None
                if plan.left is not None:
                    plan.left -= 1
                    if plan.left == 0:
                        self._plans.remove(plan)
                return plan
        return None


def _spoil(reply: Reply, fault: Fault | None) -> Reply:
    """Turn the answer of a request that had its effect into what the client gets."""
    reply = replace(reply, headers={**reply.headers, "openai-organization": ORGANIZATION, "x-request-id": number()})
    if fault in _LOST_AFTER:
        return replace(reply, delivery=_LOST_AFTER[fault])
    if fault is Fault.ERROR_AFTER:
        return refuse(500, "server_error", "The server had an error.")
    if fault is Fault.TIMEOUT_AFTER:
        return refuse(408, "timeout", "The request took too long.")
    if fault is Fault.GARBAGE_AFTER:
        return replace(reply, body=b"<html>It works!</html>", content_type="text/html")
    return reply
