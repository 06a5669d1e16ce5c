"""The thresholds and word lists of gold, read from ``policy.toml`` beside this file."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from shared.contracts import Contract, JsonObject
from shared.pipelines.gold.contracts import Confidence

Share = Annotated[float, Field(gt=0, lt=1)]
Days = Annotated[int, Field(ge=1, le=366)]


class SnapshotPolicy(Contract):
    """How reports are cut into windows."""

    block_days: Days
    window_days: tuple[Days, ...] = Field(min_length=1)
    step_days: Days
    lookback_days: int = Field(ge=1)
    min_events: int = Field(ge=1)

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        if max(self.window_days) > self.block_days:
            raise ValueError("a window must fit into its block")
        return self


class ForbiddenPolicy(Contract):
    """Terms that no text may hold as whole words, and words that are none of them although a hyphen parts them."""

    terms: tuple[str, ...]
    allowed: tuple[str, ...]


class ReviewPolicy(Contract):
    """When an example waits for no more people."""

    min_responses: int = Field(ge=1)


class Policy(Contract):
    """Every threshold of gold's data; ``policy.toml`` says what each means. Other tables there are for others."""

    min_samples: int = Field(ge=1)
    test_share: Share
    seed: int = Field(ge=0)
    min_evidence: int = Field(ge=0)
    suggested_evidence: int = Field(ge=1)
    default_confidence: Confidence
    snapshots: SnapshotPolicy
    forbidden: ForbiddenPolicy
    review: ReviewPolicy


@lru_cache(maxsize=1)
def policy() -> Policy:
    """Return the policy. Raises pydantic's ValidationError when the file breaks the contract."""
    return Policy.model_validate({name: value for name, value in raw_policy().items() if name in Policy.model_fields})


@lru_cache(maxsize=1)
def raw_policy() -> JsonObject:
    """Return the whole file, for those who read a table of their own from it."""
    text = files(__package__).joinpath("policy.toml").read_text(encoding="utf-8")
    raw: dict[str, Any] = tomllib.loads(text)
    return raw
