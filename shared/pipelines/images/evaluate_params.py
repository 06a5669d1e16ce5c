"""What ``images.evaluate`` and ``images.export-onnx`` are asked, with the seed's options."""

from pydantic import Field

from shared.contracts import Contract
from shared.files import FileName, ResultFiles, Upload
from shared.pipelines.images.contracts import TargetType
from shared.pipelines.images.model_policy import ModelName


class EvaluateParams(Contract):
    """Evaluate a checkpoint on a manifest, or a model of the registry on its frozen test split."""

    test_manifest: Upload | None = Field(
        default=None, description="The manifest of the held-out pictures (manifest_test.csv of export-dataset)."
    )
    checkpoint: Upload | None = Field(
        default=None, description="The checkpoint (best.pt of images.train). Its code, if it holds any, is never run."
    )
    model_name: ModelName | None = Field(
        default=None, description="The network that the checkpoint must be of. Empty: whichever it is of."
    )


class ExportOnnxParams(Contract):
    """Turn a checkpoint into ONNX, and compare the two."""

    checkpoint: Upload = Field(description="The checkpoint (best.pt of images.train).")
    target_type: TargetType | None = Field(
        default=None, description="What the checkpoint must be for: `binary` or `regression`. Empty: whichever it is."
    )
    model_name: ModelName | None = Field(
        default=None, description="The network that the checkpoint must be of. Empty: whichever it is of."
    )
    output: FileName = Field(
        default="ml/artifacts/models/model.onnx",
        description="Where the model is written, relative to where the command runs; model.meta.json is put beside it.",
        examples=["ml/artifacts/models/model.onnx"],
    )
    test_manifest: Upload | None = Field(
        default=None,
        description="Compare ONNX with torch on all pictures of this manifest. Empty: on pictures of noise, which"
        " only shows that the export works.",
    )


class ExportOnnxResult(Contract):
    """The exported model: how far its scores are from torch's, and the files."""

    sentence: str
    model_name: ModelName
    target_type: TargetType
    sha256: str
    bytes: int
    compared: int
    greatest_gap: float
    tolerance: float
    files: ResultFiles
