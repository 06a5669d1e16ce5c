"""The router's thresholds, read from ``policy.toml`` beside this file."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Annotated

from pydantic import Field

from shared.contracts import Contract
from shared.gates import GatePolicy

Share = Annotated[float, Field(gt=0, lt=1)]


class TrainingPolicy(Contract):
    """How the logistic regression is fitted and calibrated."""

    regularisation: float = Field(gt=0)
    tolerance: float = Field(gt=0)
    max_iterations: int = Field(ge=1)
    folds: int = Field(ge=2)
    calibration_rows: int = Field(ge=1)


class ReviewPolicy(Contract):
    """When a second person is asked."""

    confident: Share


class Policy(Contract):
    """Every threshold of the router; ``policy.toml`` says what each means."""

    confidence_threshold: Share
    min_samples: int = Field(ge=1)
    test_size: Share
    random_state: int = Field(ge=0)
    recent_days: int = Field(ge=1)
    training: TrainingPolicy
    gate: GatePolicy
    review: ReviewPolicy


@lru_cache(maxsize=1)
def policy() -> Policy:
    """Return the policy. Raises pydantic's ValidationError when the file breaks the contract."""
    text = files(__package__).joinpath("policy.toml").read_text(encoding="utf-8")
    return Policy.model_validate(tomllib.loads(text))
