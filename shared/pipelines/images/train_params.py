"""What ``images.train`` is asked: the seed's options, and which manifests."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import ConfigDict, Field

from shared.contracts import Contract
from shared.files import Upload, open_upload
from shared.pipeline import Run
from shared.pipelines.images.model_policy import ModelName, PresetName

_NAMES: Final = "^(imagenet|none)$"
_FILE: Final = "weights"
_BLOCK: Final = 1 << 20


class TrainOptions(Contract):
    """How to train; what is left out is the policy's."""

    model_config = ConfigDict(extra="ignore")

    model_name: ModelName | None = Field(
        default=None, description="The network. Empty: `small`, which is made for training from scratch."
    )
    weights: Annotated[str, Field(pattern=r"^(imagenet|none|[0-9a-f]{64})$")] | None = Field(
        default=None,
        description="Where it starts: `imagenet` (only if the weights are on the worker's disk), `none`, or a file of"
        " weights. Empty: imagenet where that is on the disk, else none.",
        json_schema_extra={"format": "tuneyard-upload", "names": _NAMES},
    )
    preset: PresetName | None = Field(
        default=None,
        description="How pictures are changed in training and looked at in evaluation: `scene`, `object` or `plain`.",
    )
    epochs: int | None = Field(default=None, ge=1, le=1_000, description="At most so many passes over the pictures.")
    batch_size: int | None = Field(default=None, ge=2, le=4_096, description="Pictures in one step.")


class ManifestOptions(Contract):
    """The manifests, where the pictures are not those of a frozen dataset."""

    train_manifest: Upload | None = Field(
        default=None, description="The manifest of the training pictures (manifest_train.csv of export-dataset)."
    )
    val_manifest: Upload | None = Field(
        default=None, description="The manifest of the validation pictures (manifest_val.csv)."
    )


class TrainParams(TrainOptions, ManifestOptions):
    """Train a network, on manifests or on the surface's frozen dataset."""

    model_config = ConfigDict(extra="forbid")


def weights_file(run: Run, upload: str) -> Path:
    """Copy an uploaded file of weights into the attempt's folder. Raises InvalidInputError when there is none."""
    target = run.workdir / _FILE
    with open_upload(run, upload) as source, target.open("wb") as file:
        while block := source.read(_BLOCK):
            file.write(block)
    return target
