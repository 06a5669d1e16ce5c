"""The thresholds and word lists of stages, read from ``policy.toml`` beside this file, which says what each means."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Self

from pydantic import Field, model_validator

from shared.contracts import Contract
from shared.gates import GatePolicy
from shared.pipelines.stages.contracts_parts import Confidence
from shared.pipelines.stages.versions import STAGES, Stage

Share = Annotated[float, Field(ge=0, le=1)]
Some = Annotated[int, Field(ge=1)]


class DiversityPolicy(Contract):
    """What the rows of a stage must show before it is trained (the seed's ``training_diversity``)."""

    min_total_rows: Some = 40
    min_industries: Some = 4
    max_industry_share: Share = 0.60
    max_duplicate_actions_share: Share = 0.35
    max_same_primary_constraint_prefix_share: Share = 0.35


class LivePolicy(Contract):
    """What is asked for besides, when it costs money."""

    min_rows: Some = 40
    max_homogeneity_share: Share = 0.8


class PacksPolicy(Contract):
    """How many packs are made and run by default."""

    count: Some
    iterations: Some
    min_industries: Some


class ShipPolicy(Contract):
    """What the weekly retraining does by itself."""

    live: bool
    days: Some
    new_rows: Some


class ReviewPolicy(Contract):
    """When a row waits for no more people."""

    min_responses: Some


class ForbiddenPolicy(Contract):
    """Terms that no text may hold as whole words, and words that are none of them although a hyphen parts them."""

    terms: tuple[str, ...]
    allowed: tuple[str, ...]


class ModelPolicy(Contract):
    """How the models are asked and compared."""

    base_model: str
    max_tokens: Some
    batch: Some
    answer_seconds: float = Field(gt=0)
    confidence: dict[Confidence, Share]
    gate: GatePolicy


class EvalsPolicy(Contract):
    """What a model must reach on held-out rows."""

    min_rows: Some
    max_rows: Some
    max_judged_rows: Some
    min_pipeline_rows: Some
    max_pipeline_rows: Some
    min_schema_validity: Share
    min_grounding: Share
    max_forbidden_share: Share
    min_agreement: Share
    max_homogeneity: Share
    max_p95_seconds: float = Field(gt=0)
    max_cost_usd: float = Field(ge=0)


class Policy(Contract):
    """Every threshold of stages."""

    test_share: float = Field(gt=0, lt=1)
    seed: int = Field(ge=0)
    min_evidence: Some
    min_samples: dict[Stage, Some]
    training_diversity: DiversityPolicy
    live: LivePolicy
    packs: PacksPolicy
    ship: ShipPolicy
    review: ReviewPolicy
    forbidden: ForbiddenPolicy
    model: ModelPolicy
    evals: EvalsPolicy

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if set(self.min_samples) != set(STAGES):
            raise ValueError("min_samples must name every stage")
        return self


@lru_cache(maxsize=1)
def policy() -> Policy:
    """Return the policy. Raises pydantic's ValidationError when the file breaks the contract."""
    text = files(__package__).joinpath("policy.toml").read_text(encoding="utf-8")
    return Policy.model_validate(tomllib.loads(text))
