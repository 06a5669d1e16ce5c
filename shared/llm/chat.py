"""What is asked of a chat model, within which bounds, and what comes back."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import Field

from shared import ids
from shared.contracts import Contract, JsonObject, Path
from shared.llm.connection import Provider
from shared.llm.limits import LimitPolicy
from shared.llm.policy import llm_policy
from shared.settings import Settings

Role = Literal["system", "user", "assistant"]


class Message(Contract):
    """One message of a conversation."""

    role: Role
    content: str


class ChatRequest(Contract):
    """A conversation that a model shall go on with, by one message.

    With a ``schema`` the provider is asked to answer with JSON that fits it; whether it does is another question
    (``guardrail.py``). ``temperature`` 0 means that the same question is worth the same answer: it may be cached.
    """

    model: str = Field(min_length=1, max_length=256)
    messages: tuple[Message, ...] = Field(min_length=1)
    schema_: JsonObject | None = Field(None, alias="schema")
    schema_name: str = Field("answer", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    temperature: float = Field(0.0, ge=0, le=2)
    max_tokens: int = Field(1024, ge=1, le=1_000_000)
    seed: int = Field(0, ge=-(2**63), lt=2**63)
    top_logprobs: int | None = Field(None, ge=0, le=20)
    """Ask how likely each token was, and so many others in its place; None: do not ask."""

    @property
    def deterministic(self) -> bool:
        """Whether an earlier answer to the same question will do."""
        return self.temperature == 0

    def key(self, provider: Provider) -> bytes:
        """Return the SHA-256 (32 bytes) of the question and of where it is asked: equal questions, equal keys."""
        request = self.model_dump(by_alias=True)
        if self.top_logprobs is None:  # then it is the question that it was before there was such a field
            del request["top_logprobs"]
        asked = {"provider": provider.name, "base_url": provider.base_url, "request": request}
        return hashlib.sha256(ids.canonical_json(asked)).digest()

    def followed_by(self, messages: tuple[Message, ...]) -> "ChatRequest":
        """Return the same question with the conversation grown by these messages."""
        return self.model_copy(update={"messages": self.messages + messages})


class Candidate(Contract):
    """A token, and the natural logarithm of its probability (0: certain)."""

    token: str
    logprob: float


class Token(Candidate):
    """A token of an answer. ``top`` has the likeliest ones in its place, itself usually among them."""

    top: tuple[Candidate, ...] = ()


class Completion(Contract):
    """An answer. Its text has no NUL and no lone surrogates, so it can be stored; it may still be any nonsense."""

    text: str
    path: Literal[Path.MODEL, Path.CACHE]
    model: str
    """Who answered, as the provider says."""
    finish_reason: str
    """``stop`` when the model came to an end by itself; ``length`` when it was cut off; ``refusal``, …"""
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    """What this answer cost now: 0 from the cache."""
    calls: int
    """Requests for it that the model may have been at work on: 0 from the cache, else 1, or more after errors."""
    seconds: float | None = None
    """How long the provider took for it, when it was asked; None: nobody knows any more."""
    tokens: tuple[Token, ...] | None = None
    """The answer's tokens and how likely they were (see ``probabilities.py``); None: not asked for, or not told."""


@dataclass(frozen=True, kw_only=True)
class CallPolicy:
    """Bounds of completions; durations in seconds. ``of`` reads them from the settings and ``policy.toml``."""

    limits: LimitPolicy
    timeout_s: float
    """Of one completion in all, with its waits and second tries."""
    request_timeout_s: float
    tries: int
    first_wait_s: float
    longest_wait_s: float
    longest_busy_s: float
    """Of a Retry-After that is heeded."""
    cache_age: timedelta
    max_answer_bytes: int
    max_answer_depth: int

    @classmethod
    def of(cls, settings: Settings, provider: Provider) -> "CallPolicy":
        """Return the bounds for a provider. Our own trainer has no limit by the minute: its queue is one."""
        figures = llm_policy().completions
        return cls(
            limits=LimitPolicy(
                at_once=settings.llm_concurrency,
                per_minute=None if provider.is_local else settings.llm_requests_per_minute,
            ),
            timeout_s=settings.llm_timeout_seconds,
            request_timeout_s=figures.request_timeout.total_seconds(),
            tries=figures.tries,
            first_wait_s=figures.first_wait.total_seconds(),
            longest_wait_s=figures.longest_wait.total_seconds(),
            longest_busy_s=llm_policy().life_cycle.longest_busy.total_seconds(),
            cache_age=timedelta(days=figures.cache_days),
            max_answer_bytes=figures.max_answer_bytes,
            max_answer_depth=figures.max_answer_depth,
        )
