"""Scoring many pictures: files in, scores out, over a bare onnxruntime session that is handed decoded inputs."""

import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from time import perf_counter

import numpy as np
import onnxruntime as ort
import torch
from PIL import Image

from shared.pipelines.images import scorer
from shared.pipelines.images.architectures import build, sides_of
from shared.pipelines.images.checkpoint import BestFacts, Mirrored
from shared.pipelines.images.contracts import ImageInput
from shared.pipelines.images.model import load
from shared.pipelines.images.onnx_export import export_onnx
from shared.pipelines.images.policy import policy
from shared.pipelines.images.preprocess import Preprocessing, fingerprint, preprocess
from shared.pipelines.images.sample_sky import KINDS, make_camera, make_scene, render
from shared.pipelines.images.scorer import Source, score_pictures
from shared.stores import artifacts
from tests.bench.harness import Bench

_PICTURES = 96
_MADE = 12  # different ones; each is scored again under another name
_SIZES = {"of the size of a cache (256 x 256)": (256, 256), "of full HD (1080p)": (1920, 1080)}


def run(bench: Bench) -> None:
    """Measure with resnet18 at 224 pixels, which costs what a resnet18 costs whatever its weights are."""
    with tempfile.TemporaryDirectory() as name:
        model = load(_exported(Path(name)))
        source = Source(model=model, version="bench")
        batch = policy().serving.batch
        session = ort.InferenceSession(Path(name) / "model.onnx", providers=["CPUExecutionProvider"])
        for said, (width, height) in _SIZES.items():
            files = _files(width, height)
            given = [_stored(files[n % _MADE]) for n in range(_PICTURES)]
            inputs = preprocess([files[n % _MADE] for n in range(_PICTURES)], model.meta.preprocessing)
            parts = [inputs[first : first + batch] for first in range(0, _PICTURES, batch)]

            def ours(given: list[ImageInput] = given) -> object:
                scorer.forget()
                return score_pictures(source, given)

            def bare(parts: list[np.ndarray] = parts) -> object:
                return [session.run(None, {"image": part}) for part in parts]

            bench.compare(
                f"scoring pictures {said} with resnet18, over bare onnxruntime on decoded inputs",
                lambda ours=ours: _rate(ours),  # type: ignore[misc]
                lambda bare=bare: _rate(bare),  # type: ignore[misc]
                "≥ 0.9",
            )


def _exported(folder: Path) -> Path:
    torch.manual_seed(1)
    sides = sides_of("resnet18")
    how = Preprocessing(cache_side=sides.cache_side, input_side=sides.input_side)
    facts = BestFacts(
        surface="binary", model_name="resnet18", preset="plain", mirrored=False, weights="none", preprocessing=how,
        fingerprint=fingerprint(how), dataset="bench", seed=1, metrics={},
    )  # fmt: skip
    export_onnx(folder, facts, Mirrored(build("resnet18"), mirrored=False).eval())
    return folder


def _files(width: int, height: int) -> list[bytes]:
    rng = np.random.default_rng(20260212)
    files = []
    for number in range(_MADE):
        camera, scene = make_camera(rng, "bench"), make_scene(rng, KINDS[number % len(KINDS)])
        out = BytesIO()
        Image.fromarray(render(rng, camera, scene, width, height)).save(out, "JPEG", quality=85)
        files.append(out.getvalue())
    return files


def _stored(data: bytes) -> ImageInput:
    file = artifacts().put(data)
    return ImageInput(artifact=file.sha256, bytes=file.size)


def _rate(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return _PICTURES / (perf_counter() - started)
