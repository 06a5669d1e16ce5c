"""The thresholds of training, evaluation and gates, read from ``policy.toml`` beside this file."""

from functools import lru_cache
from typing import Literal

from pydantic import Field

from shared.contracts import Contract
from shared.gates import GatePolicy
from shared.pipelines.images.policy import Share, Some, raw_policy

ModelName = Literal[
    "small", "resnet18", "resnet50", "mobilenet_v3", "efficientnet_b0", "convnext_tiny", "vit_b_16"
]  # fmt: skip
"""The networks: ``small`` is ours, the others are torchvision's."""
PresetName = Literal["scene", "object", "plain"]


class TrainingPolicy(Contract):
    """What is the same for every training."""

    model_name: ModelName
    preset: PresetName
    seed: int = Field(ge=0)
    cache_bytes: Some
    loaders: Some
    ahead: Some
    label_smoothing: float = Field(ge=0, lt=1)
    max_weight: float = Field(ge=1)


class Sides(Contract):
    """Pixels: of the square that is kept decoded, and of the network's input."""

    cache_side: Some
    input_side: Some


class InputsPolicy(Contract):
    """Which networks see how much."""

    small: Sides
    pretrained: Sides


class Schedule(Contract):
    """How long, and in what steps."""

    epochs: Some
    head_epochs: int = Field(ge=0)
    batch_size: Some
    learning_rate: float = Field(gt=0)
    backbone_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup: float = Field(ge=0, lt=1)
    patience: Some


class Schedules(Contract):
    """From random weights, and from such that know pictures."""

    scratch: Schedule
    transfer: Schedule


class Augmentation(Contract):
    """How far a picture may be changed at random each time it is learned from; all 0 and no flip: not at all."""

    flip: bool
    degrees: float = Field(ge=0, le=180)
    zoom: float = Field(ge=0, lt=1)
    shift: float = Field(ge=0, lt=1)
    brightness: float = Field(ge=0, le=2)
    contrast: float = Field(ge=0, lt=1)
    tint: float = Field(ge=0, le=2)


class Viewing(Contract):
    """How a picture is looked at when it is scored, in evaluation as in service."""

    mirrored: bool


class Preset(Contract):
    """Training and evaluation side by side."""

    train: Augmentation
    evaluate: Viewing


class EvaluationPolicy(Contract):
    """What a report holds."""

    bins: Some
    interval: Share
    resamples: Some
    seed: int = Field(ge=0)
    mistakes: Some
    thumbnail_side: Some
    groups_listed: Some


class ParityPolicy(Contract):
    """How alike torch and ONNX must score, and the ONNX opset."""

    tolerance: float = Field(gt=0)
    opset: Some


class ModelPolicy(Contract):
    """Every threshold of the models of images."""

    training: TrainingPolicy
    inputs: InputsPolicy
    schedules: Schedules
    presets: dict[PresetName, Preset]
    evaluation: EvaluationPolicy
    gate: GatePolicy
    parity: ParityPolicy


@lru_cache(maxsize=1)
def model_policy() -> ModelPolicy:
    """Return the policy. Raises pydantic's ValidationError when the file breaks the contract."""
    raw = raw_policy()
    return ModelPolicy.model_validate({name: raw.get(name) for name in ModelPolicy.model_fields})
