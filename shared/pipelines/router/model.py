"""A trained router: two files without pickle, read and served with NumPy alone.

``model.json`` says what the model is; ``weights.safetensors`` holds ``weights`` (features x labels, float32) and
``bias`` (labels). Scaling of the features and calibration are folded into both, so that an answer is one product and
one softmax.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from shared.contracts import Contract
from shared.errors import CorruptError
from shared.ids import canonical_json
from shared.pipeline import Answer
from shared.pipelines.router.contracts import LABELS, Difficulty, Label, Prediction
from shared.pipelines.router.features import FeatureRow, Features, FeatureSpec, features_for

MODEL_FILE: Final = "model.json"
WEIGHTS_FILE: Final = "weights.safetensors"
_MAX_MODEL_BYTES: Final = 1 << 20
_MAX_WEIGHTS_BYTES: Final = 1 << 26

Floats = NDArray[np.float64]


class ModelFacts(Contract):
    """What ``model.json`` says."""

    format: Literal["tuneyard-router/1"] = "tuneyard-router/1"
    labels: tuple[Label, ...] = LABELS
    features: FeatureSpec
    confidence_threshold: float = Field(gt=0, lt=1)
    temperature: float = Field(gt=0)
    """What calibration divided the scores by; already part of the weights."""


class RouterModel:
    """A model in memory. Safe to call from several threads."""

    def __init__(self, facts: ModelFacts, features: Features, weights: Floats, bias: Floats) -> None:
        self._features = features
        self._weights = weights
        self._bias = bias
        self._threshold = facts.confidence_threshold

    def predict(self, inputs: Sequence[str]) -> list[Answer[Prediction]]:
        """Answer each query. The answer to one does not depend on the others in its batch."""
        row = self._features.row
        return [self._answer(self.probabilities(row(query)).tolist()) for query in inputs]

    def probabilities(self, row: FeatureRow) -> Floats:
        """Return the calibrated probability of each label for computed features."""
        scores = row.values @ self._weights.take(row.places, axis=0) + self._bias
        shares = np.exp(scores - scores.max())
        normal: Floats = shares / shares.sum()
        return normal

    def _answer(self, shares: list[float]) -> Answer[Prediction]:
        confidence = max(shares)
        sure = confidence >= self._threshold
        difficulty = Difficulty(LABELS[shares.index(confidence)]) if sure else Difficulty.UNCERTAIN
        output = Prediction(difficulty=difficulty, probabilities=dict(zip(LABELS, shares, strict=True)))
        return Answer(output=output, confidence=confidence)


def save(folder: Path, facts: ModelFacts, weights: Floats, bias: Floats) -> None:
    """Write a model's files. Equal models give equal bytes."""
    tensors = {"bias": bias.astype(np.float32), "weights": weights.astype(np.float32)}
    (folder / WEIGHTS_FILE).write_bytes(save_tensors(tensors))
    (folder / MODEL_FILE).write_bytes(canonical_json(facts.model_dump(mode="json")))


def load(folder: Path) -> RouterModel:
    """Load a model.

    Raises ``CorruptError`` when the files are not a router's model, and ``RefusedError`` when this process cannot
    compute its features exactly.
    """
    facts = _read_facts(folder / MODEL_FILE)
    features = _shared_features(facts.features)
    tensors = _read_tensors(folder / WEIGHTS_FILE)
    shapes = {name: (tensor.shape, str(tensor.dtype)) for name, tensor in tensors.items()}
    if shapes != {
        "bias": ((len(LABELS),), "float32"),
        "weights": ((features.size, len(LABELS)), "float32"),
    }:
        raise CorruptError("the router's weights do not have the shape of its features")
    weights, bias = tensors["weights"].astype(np.float64), tensors["bias"].astype(np.float64)
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        raise CorruptError("the router's weights are not all finite numbers")
    return RouterModel(facts, features, weights, bias)


@lru_cache(maxsize=4)
def _shared_features(spec: FeatureSpec) -> Features:
    """Share features, and the words they remember, among models: a promotion does not begin with a cold cache."""
    return features_for(spec)


def _read_facts(path: Path) -> ModelFacts:
    try:
        facts = ModelFacts.model_validate(json.loads(_read(path, _MAX_MODEL_BYTES)))
    except (ValueError, ValidationError) as error:
        raise CorruptError("model.json is not a router's model") from error
    if facts.labels != LABELS:
        raise CorruptError("the router's model has other labels")
    return facts


def _read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        return load_tensors(_read(path, _MAX_WEIGHTS_BYTES))
    except (SafetensorError, KeyError) as error:
        raise CorruptError("weights.safetensors cannot be read") from error


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise CorruptError(f"the router's model has no readable {path.name}") from error
    if len(data) > limit:
        raise CorruptError(f"{path.name} is larger than a router's can be")
    return data
