"""Completions: asked once, paid once, within a time, and never more at once than a provider should be asked.

Every request goes the same way: the cache; then the month's budget; then leave to ask (``limits.py``); then the
request, again only after 429, 5xx or a lost connection; then one transaction that keeps the answer, books its cost and
gives the leave back (``tries.py``).
"""

import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, TypeVar

from shared.contracts import Path
from shared.db import completions as rows
from shared.db import embeddings
from shared.db.completions import CachedAnswer
from shared.db.pool import Database, get_database
from shared.errors import UnavailableError
from shared.llm.chat import CallPolicy, ChatRequest, Completion, Message
from shared.llm.connection import Provider, provider_of
from shared.llm.limits import Limiter
from shared.llm.metering import COMPLETION
from shared.llm.policy import llm_policy
from shared.llm.tries import Asker, Claim, Question, completion_of
from shared.settings import get_settings

__all__ = ["CallPolicy", "ChatRequest", "Completion", "Completions", "Message", "default_completions", "tidy"]

T = TypeVar("T")
R = TypeVar("R")

_MARGIN_S: Final = 2.0
"""How much longer a claim lasts than its question may take."""
_PAGE: Final = 500
_SURELY_OVER: Final = timedelta(hours=1)
_SHORTEST_LOOK_S: Final = 0.02
_LONGEST_LOOK_S: Final = 0.25


class Completions:
    """Asks one provider. Safe to use from several threads; create it after a fork, never before."""

    def __init__(self, provider: Provider, database: Database, policy: CallPolicy) -> None:
        self.provider = provider
        self._database = database
        self._policy = policy
        self._asker = Asker(provider, database, policy, Limiter(database, provider.name, policy.limits))

    @property
    def timeout_s(self) -> float:
        """How long a completion may take in all, unless it is told otherwise."""
        return self._policy.timeout_s

    def warm_up(self) -> None:
        """Load the client now: it takes a second, which otherwise is part of the first completion's time."""
        self._asker.connected()

    def close(self) -> None:
        """Close the connections to the provider."""
        self._asker.close()

    def complete(
        self,
        request: ChatRequest,
        *,
        purpose: str,
        job_id: str | None = None,
        timeout_s: float | None = None,
        most_calls: int = 1_000,
    ) -> Completion:
        """Return the model's answer, or the one that it gave to the same question before.

        ``purpose`` is a word that the spending is listed under. After ``most_calls`` requests that the model may have
        been at work on, nothing is tried again (429, 503 and refused connections are none of them). Raises
        UnavailableError when there is no answer within ``timeout_s`` (``provider-busy``, ``provider-unavailable``,
        ``provider-bad-answer``), and RefusedError when asking again would change nothing (``budget-exceeded``,
        ``provider-refused``).
        """
        deadline = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        question = Question(request=request, purpose=purpose, job_id=job_id, deadline=deadline, most_calls=most_calls)
        if not request.deterministic:
            return self._asker.answer(question)
        key = request.key(self.provider)
        found = self._find_or_claim(key, question)
        if isinstance(found, CachedAnswer):
            return completion_of(found, Path.CACHE)
        try:
            return self._asker.answer(question, Claim(key=key, token=found))
        except BaseException:
            with suppress(UnavailableError), self._database.statement() as conn:
                rows.release_question(conn, key, found)
            raise

    def keep_instead(self, request: ChatRequest, text: str) -> None:
        """Keep another text in the place of the answer to a request, which nobody sees any more."""
        if request.deterministic:
            with self._database.statement() as conn:
                rows.replace_answer(conn, request.key(self.provider), text)

    def complete_many(
        self,
        requests: Sequence[ChatRequest],
        *,
        purpose: str,
        job_id: str | None = None,
        timeout_s: float | None = None,
    ) -> list[Completion]:
        """Answer requests, several at once, in order; ``timeout_s`` bounds each. Raises the first one's error."""
        return self.each(
            lambda request: self.complete(request, purpose=purpose, job_id=job_id, timeout_s=timeout_s), requests
        )

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Do some work with each item, as many at once as the provider may be asked, and return its results in order.

        For work that mostly waits for completions, guarded ones for example. Raises the first error; what has not
        begun by then is not begun, and what is under way ends by itself (its answer is kept, its cost booked).
        """
        pool = ThreadPoolExecutor(max_workers=max(1, min(len(items), self._policy.limits.at_once)))
        try:
            return list(pool.map(work, items))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # a worker that must stop does not wait for what is sent

    def _find_or_claim(self, key: bytes, question: Question) -> CachedAnswer | datetime:
        """Return the answer to the same question, or the claim to ask it; wait while somebody else is asking."""
        age, look_s = self._policy.cache_age, _SHORTEST_LOOK_S
        while True:
            found = self._database.read(lambda conn: rows.find_answer(conn, key, age=age))
            if found is None:
                lease = timedelta(seconds=max(0.0, question.seconds_left) + _MARGIN_S)
                with self._database.statement() as conn:
                    claim = rows.claim_question(conn, key, provider=self.provider.name, lease=lease, age=age)
                if claim is not None:
                    return claim
            elif found.text is not None:
                return found
            wait_s = look_s * random.uniform(0.5, 1.5)  # noqa: S311  (no secret: many shall not look at once)
            if wait_s >= question.seconds_left:
                raise UnavailableError(
                    "somebody else asks the same and has no answer yet",
                    code="provider-busy",
                    advice="try again later",
                    requests=0,
                    calls=0,
                )
            time.sleep(wait_s)
            look_s = min(_LONGEST_LOOK_S, look_s * 2)


def tidy(database: Database) -> None:
    """Forget answers and vectors that are too old, and book what dead askers had reserved; for the hourly sweep."""
    age = timedelta(days=llm_policy().completions.cache_days)
    deleted = _PAGE
    while deleted == _PAGE:
        with database.transaction() as conn:
            deleted = rows.prune_answers(conn, age, _PAGE)
    deleted = _PAGE
    while deleted == _PAGE:
        with database.transaction() as conn:
            deleted = embeddings.prune_vectors(conn, age, _PAGE)
    with database.transaction() as conn:
        rows.book_abandoned(conn, COMPLETION, _SURELY_OVER)


def default_completions() -> Completions:
    """Return this process's completions, from the provider that the settings name. Raises as ``provider_of``."""
    settings = get_settings()
    provider = provider_of(settings)
    return _completions_of(os.getpid(), provider, get_database(), CallPolicy.of(settings, provider))


@lru_cache(maxsize=1)
def _completions_of(
    pid: int,  # noqa: ARG001  (a part of the key: a forked child must not share its parent's sockets)
    provider: Provider,
    database: Database,
    policy: CallPolicy,
) -> Completions:
    return Completions(provider, database, policy)
