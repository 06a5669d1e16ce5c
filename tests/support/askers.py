"""Completions for tests: the product's own, with bounds that a test can wait for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from shared.db.pool import Database
from shared.llm.chat import CallPolicy, ChatRequest, Message
from shared.llm.completions import Completions
from shared.llm.connection import Provider
from shared.llm.limits import LimitPolicy

POLICY: Final = CallPolicy(
    limits=LimitPolicy(at_once=8, per_minute=None),
    timeout_s=10,
    request_timeout_s=5,
    tries=3,
    first_wait_s=0.01,
    longest_wait_s=0.05,
    longest_busy_s=600,
    cache_age=timedelta(days=1),
    max_answer_bytes=200_000,
    max_answer_depth=32,
)


@contextmanager
def asking(url: str, database: Database, *, name: str = "openai", **bounds: Any) -> Iterator[Completions]:
    """Lend completions from a server; ``bounds`` replace those of the policy."""
    provider = Provider(name=name, base_url=url, api_key="sk-canary-key")
    completions = Completions(provider, database, replace(POLICY, **bounds))
    completions.warm_up()  # importing takes seconds while many test processes share two cores
    try:
        yield completions
    finally:
        completions.close()


def question(text: str = "What is a query?", **changes: Any) -> ChatRequest:
    """Ask something."""
    return ChatRequest(model="gpt-4o-mini", messages=(Message(role="user", content=text),), **changes)
