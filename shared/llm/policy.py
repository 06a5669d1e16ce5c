"""Prices, limits and durations of everything that speaks to a provider, read from ``policy.toml`` beside this file."""

import tomllib
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import Field

from shared.contracts import Contract

Usd = Annotated[float, Field(ge=0)]
Duration = Annotated[timedelta, Field(gt=timedelta(0))]
"""In the file: seconds."""
Count = Annotated[int, Field(ge=1)]


class Price(Contract):
    """US dollars for a million tokens."""

    training: Usd
    input: Usd
    output: Usd


class ListedPrice(Price):
    """The price of the models whose names begin with ``model``, and of fine-tunes on them (``tuned_…``)."""

    model: str = Field(min_length=1)
    tuned_input: Usd | None = None
    tuned_output: Usd | None = None


class Limits(Contract):
    """What a training file may hold; ``policy.toml`` says whose limits these are."""

    min_examples: Count
    max_file_bytes: Count
    max_line_bytes: Count
    max_line_tokens: Count
    long_line_tokens: Count
    max_depth: Count
    max_tools: Count
    suffix: Count
    named_faults: Count


class EpochsPolicy(Contract):
    """How many times a provider is likely to go over a file when nobody says."""

    target: Count
    least: Count
    most: Count
    fewest_examples: Count
    most_examples: Count


class LifecyclePolicy(Contract):
    """Durations of a fine-tune's life: what is asked when, and how long nothing is sent again."""

    request_timeout: Duration
    upload_timeout: Duration
    settle: Duration
    empty_lists: Count
    look_again: Duration
    creates: Count
    busy: Duration
    longest_busy: Duration
    backstop: Duration
    parked: Duration
    sweep_requests: Count


class CompletionsPolicy(Contract):
    """Bounds of a completion: of its time, its tries and its answer."""

    request_timeout: Duration
    tries: Count
    first_wait: Duration
    longest_wait: Duration
    cache_days: Count
    max_answer_bytes: Count
    max_answer_depth: Count


class EmbeddingsPolicy(Contract):
    """Bounds of embeddings: of their batches and their time. ``model`` is asked of a provider that is not ours."""

    model: str
    timeout: Duration
    batch_texts: Count
    batch_bytes: Count
    local_batch_bytes: Count
    local_at_once: Count
    max_text_bytes: Count
    max_answer_bytes: Count
    most_dimensions: Count


class SunsetWatch(Contract):
    """When the end of a model begins to matter."""

    alert_days: Count


class SunsetRule(Contract):
    """Something that a provider ends on a date, as it has announced."""

    provider: str
    model: str = ""
    """A prefix of base models (and of fine-tunes on them); empty: all."""
    what: Literal["model", "fine-tuning"]
    ends: date
    """The first day without it (UTC)."""
    note: str


class LlmPolicy(Contract):
    """Every figure of ``shared/llm``; ``policy.toml`` says what each means."""

    prices_as_of: date
    prices: tuple[ListedPrice, ...]
    unknown_price: Price
    limits: Limits
    epochs: EpochsPolicy
    life_cycle: LifecyclePolicy
    completions: CompletionsPolicy
    embeddings: EmbeddingsPolicy
    sunset_watch: SunsetWatch
    sunset: tuple[SunsetRule, ...]


@lru_cache(maxsize=1)
def llm_policy() -> LlmPolicy:
    """Return the policy. Raises pydantic's ValidationError when the file breaks the contract."""
    text = files(__package__).joinpath("policy.toml").read_text(encoding="utf-8")
    return LlmPolicy.model_validate(tomllib.loads(text))
