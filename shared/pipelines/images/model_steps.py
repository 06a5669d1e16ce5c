"""Steps of images' models that the loop does not have."""

from typing import Any, Final

from shared.contracts import Queue
from shared.pipeline import Done, Run, Step
from shared.pipelines.images.contracts import NAME
from shared.pipelines.images.evaluate_params import ExportOnnxParams


def _export_onnx(run: Run, params: ExportOnnxParams) -> Done:
    from shared.pipelines.images.export_onnx import export_checkpoint

    return export_checkpoint(run, params)


MODEL_STEPS: Final[tuple[Step[Any], ...]] = (
    Step(
        pipeline=NAME,
        name="export-onnx",
        summary="Turn a checkpoint into model.onnx and model.meta.json, and compare its scores with torch's.",
        queue=Queue.GPU,
        params=ExportOnnxParams,
        run=_export_onnx,
    ),
)
