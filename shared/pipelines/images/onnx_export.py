"""From a checkpoint to ``model.onnx`` and ``model.meta.json``: one file with all weights in it, and what it is."""

import hashlib
import io
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import onnx
import torch

from shared.errors import CorruptError
from shared.ids import canonical_json
from shared.pipelines.images.checkpoint import BestFacts, Mirrored
from shared.pipelines.images.meta import INPUT, META_FILE, MODEL_FILE, OUTPUT, ModelMeta
from shared.pipelines.images.model_policy import model_policy

_BATCH: Final = 2  # of the example that is traced; 1 could be taken for a constant


def export_onnx(folder: Path, facts: BestFacts, network: Mirrored, *, model_file: str = MODEL_FILE) -> ModelMeta:
    """Write the network and its facts into the folder. Equal networks give equal bytes.

    Raises CorruptError when the file would keep weights elsewhere.
    """
    graph = _graph(network, facts.preprocessing.input_side)
    proto = onnx.load_from_string(graph)
    if any(part.data_location == onnx.TensorProto.EXTERNAL for part in proto.graph.initializer):
        raise CorruptError("the exporter has kept weights outside the ONNX file")
    onnx.checker.check_model(proto)
    meta = ModelMeta(
        surface=facts.surface,
        model_name=facts.model_name,
        preset=facts.preset,
        mirrored=facts.mirrored,
        preprocessing=facts.preprocessing,
        fingerprint=facts.fingerprint,
        sha256=hashlib.sha256(graph).hexdigest(),
        size=len(graph),
        opset=model_policy().parity.opset,
        versions={name: version(name) for name in ("torch", "torchvision", "onnx")},
        dataset=facts.dataset,
        seed=facts.seed,
        metrics=facts.metrics,
    )
    (folder / model_file).write_bytes(graph)
    (folder / META_FILE).write_bytes(canonical_json(meta.model_dump(mode="json")))
    return meta


def _graph(network: Mirrored, side: int) -> bytes:
    """Trace the network; any number of pictures may be asked at once.

    By torch's older exporter: beside the newer one it takes a twentieth of the time, gives the same bytes each time,
    and writes no path of this machine into the file.
    """
    written = io.BytesIO()
    example: tuple[Any, ...] = (torch.zeros(_BATCH, 3, side, side),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that the other one is the default now
        torch.onnx.export(
            network.eval(), example, written,  # type: ignore[arg-type]  # the older one takes any file
            input_names=[INPUT], output_names=[OUTPUT], opset_version=model_policy().parity.opset,
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}}, dynamo=False,
        )  # fmt: skip
    return written.getvalue()
