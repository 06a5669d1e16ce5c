"""``model.meta.json``: what an exported model is, and what its input must be made with."""

import json
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError

from shared.contracts import Contract, JsonObject
from shared.errors import CorruptError, NotFoundError
from shared.pipelines.images.contracts import Sha256, TargetType
from shared.pipelines.images.model_policy import ModelName, PresetName
from shared.pipelines.images.preprocess import Preprocessing

MODEL_FILE: Final = "model.onnx"
META_FILE: Final = "model.meta.json"
INPUT: Final = "image"
OUTPUT: Final = "score"
_MAX_BYTES: Final = 1 << 20


class ModelMeta(Contract):
    """An exported model: float32 [batch, 3, side, side] in, the raw score (0 to 1) of each picture out."""

    format: Literal["tuneyard-images-onnx/1"] = "tuneyard-images-onnx/1"
    surface: TargetType
    model_name: ModelName
    preset: PresetName
    mirrored: bool
    preprocessing: Preprocessing
    fingerprint: Sha256
    """Of the preprocessing: its parameters and its source code."""
    input: Literal["image"] = "image"
    output: Literal["score"] = "score"
    sha256: Sha256
    size: int = Field(ge=1)
    opset: int
    versions: dict[str, str]
    dataset: str
    """The hash of the pictures and targets that it was trained on."""
    seed: int
    metrics: JsonObject
    """On the validation pictures, at the best epoch."""


def read_meta(folder: Path) -> ModelMeta:
    """Read the facts of an exported model. Raises NotFoundError or CorruptError."""
    file = folder / META_FILE
    if not file.is_file():
        raise NotFoundError(
            f"there is no {META_FILE} beside the ONNX model",
            advice="images.export-onnx writes both: keep them together",
        )
    if file.stat().st_size > _MAX_BYTES:
        raise CorruptError(f"{META_FILE} is too large")
    try:
        return ModelMeta.model_validate(json.loads(file.read_bytes()))
    except (ValueError, ValidationError) as error:
        raise CorruptError(f"{META_FILE} is not of a model of images") from error
