"""The thresholds of images, read from ``policy.toml`` beside this file, which says what each means."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from shared.contracts import Contract, JsonObject

Share = Annotated[float, Field(gt=0, lt=1)]
Some = Annotated[int, Field(ge=1)]

_ROUNDING: Final = 1e-9


class LimitsPolicy(Contract):
    """What a picture may be at most, and must be at least."""

    max_bytes: Some
    max_pixels: Some
    min_side: Some
    max_images: Some


class StoredPolicy(Contract):
    """How pictures are encoded that cannot be stored as they came."""

    jpeg_quality: int = Field(ge=1, le=100)
    png_compression: int = Field(ge=0, le=9)


class FetchPolicy(Contract):
    """How long and how far a picture's address is followed."""

    timeout_seconds: float = Field(gt=0)
    max_redirects: int = Field(ge=0)


class Figures(Contract):
    """One value for each figure of the baseline."""

    colour: float = Field(ge=0)
    contrast: float = Field(ge=0)
    sharpness: float = Field(ge=0)
    warmth: float = Field(ge=0)


class BaselinePolicy(Contract):
    """How the scorer without a model weighs what it sees."""

    version: str
    side: int = Field(ge=16)
    weights: Figures
    reference: Figures

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(sum(vars(self.weights).values()) - 1) > _ROUNDING or min(vars(self.reference).values()) <= 0:
            raise ValueError("the weights must add up to 1, and no reference may be 0")
        return self


class ServingPolicy(Contract):
    """How pictures are scored."""

    target_type: Literal["binary", "regression"]
    batch: Some
    remembered: Some
    read_again_seconds: float = Field(gt=0)


class RetrainPolicy(Contract):
    """What the monthly retraining does by itself."""

    new_images: Some


class ReviewPolicy(Contract):
    """How many people are asked about a picture, and when once more."""

    min_responses: Some
    disagreement_stars: float = Field(gt=0, le=4)


class Policy(Contract):
    """Every threshold of the data of images."""

    seed: int = Field(ge=0)
    test_share: Share
    validation_share: Share
    min_samples: Some
    binary_threshold: Share
    limits: LimitsPolicy
    stored: StoredPolicy
    fetch: FetchPolicy
    baseline: BaselinePolicy
    serving: ServingPolicy
    retrain: RetrainPolicy
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
