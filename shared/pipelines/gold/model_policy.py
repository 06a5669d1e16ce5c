"""The thresholds of gold's model: the table ``model`` of ``policy.toml``."""

from functools import lru_cache
from typing import Annotated

from pydantic import Field

from shared.contracts import Contract
from shared.gates import GatePolicy
from shared.pipelines.gold.contracts import Confidence
from shared.pipelines.gold.policy import raw_policy

Share = Annotated[float, Field(ge=0, le=1)]


class ModelPolicy(Contract):
    """How gold's model is asked and judged; ``policy.toml`` says what each figure means."""

    max_tokens: int = Field(ge=1)
    batch: int = Field(ge=1)
    answer_seconds: float = Field(gt=0)
    smoke_snapshots: int = Field(ge=1)
    max_offender_rate: Share
    min_agreement: Share
    confidence: dict[Confidence, Share]
    gate: GatePolicy


@lru_cache(maxsize=1)
def model_policy() -> ModelPolicy:
    """Return the policy. Raises pydantic's ValidationError when the file breaks the contract."""
    return ModelPolicy.model_validate(raw_policy()["model"])
