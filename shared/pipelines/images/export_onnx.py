"""The step ``export-onnx``: a checkpoint becomes ``model.onnx`` and ``model.meta.json``, compared before it is out."""

from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.errors import RefusedError
from shared.files import publish_files
from shared.pipeline import Done, Run
from shared.pipelines.images.contracts import TargetType, parse_input
from shared.pipelines.images.evaluate import open_checkpoint
from shared.pipelines.images.evaluate_params import ExportOnnxParams, ExportOnnxResult
from shared.pipelines.images.meta import META_FILE, MODEL_FILE
from shared.pipelines.images.model import load, read_picture
from shared.pipelines.images.model_policy import model_policy
from shared.pipelines.images.onnx_export import export_onnx
from shared.pipelines.images.parity import scorer_of
from shared.pipelines.images.preprocess import Preprocessing, preprocess, to_input
from shared.pipelines.images.train import manifest_rows

_BATCH: Final = 32
_NOISE: Final = 16  # pictures of noise, where no others are given


def export_checkpoint(run: Run, params: ExportOnnxParams) -> Done:
    """Export, load what was exported, and let it score beside torch.

    Raises RefusedError when the two differ by more than the policy's tolerance, and what reading the files raises.
    """
    facts, network = open_checkpoint(
        run, params.checkpoint, target_type=params.target_type, model_name=params.model_name
    )
    folder = run.workdir / "onnx"
    folder.mkdir()
    run.report(0.2, f"exporting {facts.model_name}")
    meta = export_onnx(folder, facts, network)
    model, torch_scores = load(folder), scorer_of(network)
    gap, compared, tolerance = 0.0, 0, model_policy().parity.tolerance
    for inputs in _inputs(run, params, facts.surface, facts.preprocessing):
        gap = max(gap, float(np.abs(model.scores_of_inputs(inputs) - torch_scores(inputs)).max()))
        compared += len(inputs)
        run.report(0.5, f"compared {compared:,} pictures", rows=compared)
    if not gap <= tolerance:
        raise RefusedError(
            f"ONNX and torch differ by {gap:.2e} on {compared} pictures, more than {tolerance:.0e}",
            advice="report it with the checkpoint's model name: the export of this network is not exact enough",
        )
    place = PurePosixPath(params.output)
    what = "pictures" if params.test_manifest else "pictures of noise"
    result = ExportOnnxResult(
        sentence=f"Exported {facts.model_name}: on {compared} {what} its scores are within {gap:.1e} of torch's.",
        model_name=facts.model_name, target_type=facts.surface, sha256=meta.sha256, bytes=meta.size, compared=compared,
        greatest_gap=gap, tolerance=tolerance,
        files=publish_files(run.artifacts, {
            str(place): folder / MODEL_FILE, str(place.with_name(META_FILE)): folder / META_FILE,
        }),
    )  # fmt: skip
    return Done(result=result)


def _inputs(
    run: Run, params: ExportOnnxParams, surface: TargetType, how: Preprocessing
) -> Iterator[NDArray[np.float32]]:
    if params.test_manifest is None:
        rng = np.random.default_rng(model_policy().training.seed)
        yield to_input(rng.integers(0, 256, (_NOISE, how.cache_side, how.cache_side, 3), dtype=np.uint8), how)
        return
    rows = (row.as_row() for row in manifest_rows(run, params.test_manifest, surface))
    while batch := list(islice(rows, _BATCH)):
        yield preprocess([read_picture(parse_input(row.input)) for row in batch], how)
