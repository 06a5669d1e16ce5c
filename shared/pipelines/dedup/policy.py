"""The thresholds of dedup, read from ``policy.toml`` beside this file, which says what each means."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.contracts import Contract
from shared.gates import GatePolicy

Share = Annotated[float, Field(ge=0, le=1)]
Some = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]

Mode = Literal["auto", "assist", "off"]
Linkage = Literal["complete", "average"]


class ThresholdsPolicy(Contract):
    """What a model's confidence leads to."""

    auto_merge: float = Field(gt=0, le=1)
    propose: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.propose > self.auto_merge:
            raise ValueError("propose must not be over auto_merge")
        return self


class IngestPolicy(Contract):
    """How statements come in, and how each is checked."""

    mode: Mode
    max_statement_chars: int = Field(ge=1, le=10_000)
    max_locator_chars: Some
    max_source_chars: Some
    batch: int = Field(ge=1, le=1_000)
    store_batch: int = Field(ge=1, le=10_000)
    search_bytes: int = Field(ge=0)
    candidates: int = Field(ge=1, le=50)
    min_similarity: Share


class AutoPolicy(Contract):
    """What must be shown on held-out pairs before anything is merged without a person."""

    min_precision_lower_bound: Share
    confidence_level: float = Field(gt=0.5, lt=1)


class SimilarityPolicy(Contract):
    """The line from a similarity to the log-odds of a merge, where no model answers."""

    midpoint: float = Field(ge=-1, le=1)
    slope: float = Field(gt=0)
    max_confidence: float = Field(ge=0.5, lt=1)


class ClustersPolicy(Contract):
    """How insights are put together."""

    threshold: float = Field(gt=0, le=1)
    linkage: Linkage
    max_size: int = Field(ge=2)
    max_neighbours: Some


class ReviewPolicy(Contract):
    """When what people say of a pair is a label."""

    min_responses: Some
    min_agreement: float = Field(gt=0.5, le=1)


class ExportPolicy(Contract):
    """How many labelled pairs a training needs."""

    min_examples: Some
    recommended_examples: Some


class ModelPolicy(Contract):
    """How models are asked and compared."""

    base_model: str
    max_tokens: Some
    batch: Some
    answer_seconds: Seconds
    word_alone: float = Field(ge=0.5, lt=1)
    listed: Some
    gate: GatePolicy


class RetrainPolicy(Contract):
    """What starts the weekly retraining."""

    new_decisions: Some
    live: Literal["never", "ours", "always"]


class Policy(Contract):
    """Every threshold of dedup."""

    test_share: float = Field(gt=0, lt=1)
    seed: int = Field(ge=0)
    thresholds: ThresholdsPolicy
    ingest: IngestPolicy
    auto: AutoPolicy
    similarity: SimilarityPolicy
    clusters: ClustersPolicy
    review: ReviewPolicy
    export: ExportPolicy
    model: ModelPolicy
    retrain: RetrainPolicy


@lru_cache(maxsize=1)
def policy() -> Policy:
    """Return the policy. Raises pydantic's ValidationError when the file breaks the contract."""
    text = files(__package__).joinpath("policy.toml").read_text(encoding="utf-8")
    return Policy.model_validate(tomllib.loads(text))
