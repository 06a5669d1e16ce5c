"""One question on its way to an answer: its money, its leave to ask, and its tries.

Whoever dies on the way leaves leases that run out by themselves, and a reserved cost that stays counted.
"""

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

import structlog
from psycopg import Connection

from shared.contracts import Path
from shared.db import completions as rows
from shared.db.completions import CachedAnswer
from shared.db.pool import Database
from shared.errors import RefusedError, TuneyardError, UnavailableError
from shared.llm.asking import Line, NoAnswerError
from shared.llm.chat import CallPolicy, ChatRequest, Completion, Token
from shared.llm.connection import Provider
from shared.llm.limits import Limiter, Permit
from shared.llm.metering import Account, Meter, estimated_tokens
from shared.llm.replies import Reply

log = structlog.get_logger()

R = TypeVar("R")

_MARGIN_S: Final = 2.0
"""How much longer a permit's lease lasts than its request may take."""
_WHOLE: Final = frozenset({"stop", "length"})
"""Reasons to end whose answers are worth keeping: a filter's whim is not."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A place in the cache that waits for this question's answer; ``token`` says whose it is."""

    key: bytes
    token: datetime


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What is asked of a provider: what for, for which job, until when (monotonic seconds), how often at the most."""

    purpose: str
    job_id: str | None
    deadline: float
    most_calls: int = 1_000

    @property
    def seconds_left(self) -> float:
        """How long there still is for an answer."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Question(Errand):
    """A completion that is asked for."""

    request: ChatRequest


@dataclass
class Count:
    """Requests sent; those that the model may have been at work on; and those that may have been billed for nothing."""

    sent: int = 0
    calls: int = 0
    unclear: int = 0

    def as_details(self) -> dict[str, int]:
        """Return what an error tells of them."""
        return {"requests": self.sent, "calls": self.calls}


@dataclass(frozen=True, kw_only=True)
class Work(Generic[R]):
    """A request: what it may cost (tokens in by an estimate, out at the most), how it is sent and its answer kept.

    ``send`` gets the seconds that it may take; ``used`` returns the tokens in and out; ``keep`` writes the answer down,
    which took so many seconds, in the transaction that books it.
    """

    model: str
    tokens: tuple[int, int]
    send: Callable[[Line, float], R]
    used: Callable[[R], tuple[int, int]]
    keep: Callable[[Connection, R, float], None]


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a request has cost in US dollars, and how many requests the model may have been at work on."""

    cost_usd: float
    calls: int


class Asker:
    """Asks one provider and keeps the books."""

    def __init__(self, provider: Provider, database: Database, policy: CallPolicy, limiter: Limiter) -> None:
        self._provider = provider
        self._database = database
        self._policy = policy
        self._limiter = limiter
        self._meter = Meter(provider)
        self._line: Line | None = None
        self._connecting = threading.Lock()

    def close(self) -> None:
        """Close the connections, if there are any."""
        if self._line is not None:
            self._line.close()

    def answer(self, question: Question, claim: Claim | None = None) -> Completion:
        """Return the provider's answer, written down and paid for. Raises as ``Completions.complete``."""
        request = question.request
        kept: list[CachedAnswer] = []

        def keep(conn: Connection, reply: Reply, took_s: float) -> None:
            answer = _cached(request, reply, took_s)
            kept.append(answer)
            if claim is not None and answer.finish_reason in _WHOLE and answer.text:
                rows.keep_answer(conn, claim.key, claim.token, answer)
            elif claim is not None:
                rows.release_question(conn, claim.key, claim.token)

        done = self.run(
            question,
            Work(
                model=request.model,
                tokens=(estimated_tokens(request)[0], request.max_tokens),
                send=lambda line, timeout_s: line.ask(request, timeout_s=timeout_s),
                used=lambda reply: reply.tokens(estimated_tokens(request, reply.text)),
                keep=keep,
            ),
        )
        return completion_of(kept[-1], Path.MODEL, cost_usd=done.cost_usd, calls=done.calls)

    def run(self, errand: Errand, work: Work[R]) -> Done:
        """Send a request until there is an answer; write it down, paid for. Raises as ``Completions.complete``."""
        with self._database.transaction() as conn, conn.pipeline():
            account = self._meter.reserve(
                conn, work.model, work.tokens, purpose=errand.purpose, job_id=errand.job_id
            )  # fmt: skip
        count = Count()
        try:
            reply, permit, took_s = self._reply(errand, work.send, count)
            count.unclear += 1  # until it is written down
            with self._database.transaction() as conn, conn.pipeline():  # one trip for all of it
                work.keep(conn, reply, took_s)
                cost_usd = self._meter.close(conn, account, tokens=work.used(reply), unclear=count.unclear - 1)
                self._limiter.release(conn, permit)
            return Done(cost_usd=cost_usd, calls=count.calls)
        except BaseException as error:
            with suppress(UnavailableError):
                self._give_up(account, count)
            if isinstance(error, NoAnswerError):
                raise self._explained(error, errand, count) from None
            if isinstance(error, TuneyardError):
                error.details.update(count.as_details())
            raise

    def connected(self) -> Line:
        """Return the connection. Its import takes a second, which an answer from the cache need not wait for."""
        policy = self._policy
        with self._connecting:
            if self._line is None:
                self._line = Line(
                    self._provider, max_answer_bytes=policy.max_answer_bytes, max_depth=policy.max_answer_depth
                )
            return self._line

    def _reply(self, errand: Errand, send: Callable[[Line, float], R], count: Count) -> tuple[R, Permit, float]:
        """Ask until there is an answer, or no more sense in asking; with it, how long it took. Raises NoAnswerError."""
        lease = timedelta(seconds=self._policy.request_timeout_s + _MARGIN_S)
        line = self.connected()
        while True:
            permit = self._limiter.acquire(errand.deadline, lease)
            try:
                timeout_s = max(0.0, min(self._policy.request_timeout_s, errand.seconds_left))
                count.sent += 1
                sent_at = time.monotonic()
                reply = send(line, timeout_s)
            except NoAnswerError as error:
                count.calls += error.called
                count.unclear += error.unclear
                self._release(permit, hold_back_s=min(error.after_s, self._policy.longest_busy_s))
                pause_s = 0.0 if error.after_s else self._pause_s(count.sent)  # told to wait, it waits for its leave
                enough = count.sent >= self._policy.tries or count.calls >= errand.most_calls
                if enough or not error.again or pause_s >= errand.seconds_left:
                    raise
                time.sleep(pause_s)
            except BaseException:  # the worker is stopped, for one
                count.calls += 1
                count.unclear += 1
                self._release(permit)
                raise
            else:
                count.calls += 1
                return reply, permit, time.monotonic() - sent_at

    def _pause_s(self, sent: int) -> float:
        """Return how long to wait after so many tries: doubled each time, and half of it by chance."""
        longest = min(self._policy.longest_wait_s, self._policy.first_wait_s * 2.0 ** (sent - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  (no secret: many shall not come again at once)

    def _release(self, permit: Permit, *, hold_back_s: float = 0.0) -> None:
        with suppress(UnavailableError), self._database.transaction() as conn:  # else the lease runs out
            self._limiter.release(conn, permit, hold_back_s=hold_back_s)

    def _give_up(self, account: Account | None, count: Count) -> None:
        if account is not None:
            with self._database.transaction() as conn:
                self._meter.close(conn, account, tokens=None, unclear=count.unclear)

    def _explained(self, failure: NoAnswerError, errand: Errand, count: Count) -> TuneyardError:
        """Turn the last failure into the error that callers see, without a word of what was asked or answered."""
        name, why = self._provider.name, failure.why
        log.warning("no completion", provider=name, purpose=errand.purpose, why=why, requests=count.sent)
        if why == "bad-answer":
            return UnavailableError(
                f"{name} answered with what is no completion",
                code="provider-bad-answer",
                advice="check OPENAI_BASE_URL: is it a server that speaks OpenAI's API?",
                **count.as_details(),
            )
        if failure.again:
            return UnavailableError(
                f"{name} gave no answer in time ({why})",
                code="provider-unavailable",
                advice="try again later; LLM_TIMEOUT_SECONDS is how long one completion may take",
                **count.as_details(),
            )
        return RefusedError(
            f"{name} refused to answer ({why})",
            code="provider-refused",
            advice="check OPENAI_API_KEY, that the model exists and has not been shut down, and the account's quota",
            requests=count.sent,
        )


def _cached(request: ChatRequest, reply: Reply, took_s: float) -> CachedAnswer:
    prompt, answered = reply.tokens(estimated_tokens(request, reply.text))
    likely = None if request.top_logprobs is None else reply.likelihoods
    return CachedAnswer(
        text=reply.text,
        model=reply.model or request.model,
        finish_reason=reply.finish_reason,
        prompt_tokens=prompt,
        completion_tokens=answered,
        seconds=took_s,
        tokens=None if likely is None else [token.model_dump() for token in likely],
    )


def completion_of(answer: CachedAnswer, path: Path, *, cost_usd: float = 0.0, calls: int = 0) -> Completion:
    """Return an answer as the caller sees it. Its text is there."""
    return Completion(
        text=answer.text or "",
        path=path,
        model=answer.model,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        seconds=answer.seconds,
        tokens=None if answer.tokens is None else tuple(map(Token.model_validate, answer.tokens)),
        cost_usd=cost_usd,
        calls=calls,
    )
