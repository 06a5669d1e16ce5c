"""Pictures: decode and resize a 1080p JPEG over Pillow's own way, and what an import does with each."""

from collections.abc import Callable
from io import BytesIO
from time import perf_counter

import numpy as np
from PIL import Image

from shared.pipelines.images.decoding import clean
from shared.pipelines.images.preprocess import Preprocessing, cached, preprocess, to_input
from shared.pipelines.images.sample_sky import KINDS, make_camera, make_scene, render
from tests.bench.harness import Bench

_SIDE = 256
_PICTURES = 12


def run(bench: Bench) -> None:
    """Measure on frames as a webcam of full HD sends them."""
    files = _frames()
    bench.compare(
        "decode + resize of a 1080p JPEG to 256 pixels, over Pillow",
        lambda: _rate(lambda: [cached(data, _SIDE) for data in files]),
        lambda: _rate(lambda: [_pillow(data) for data in files]),
        "≥ 1.9",
    )
    bench.compare(
        "the same with cleaning (import, uploads), over Pillow's decode and encode",
        lambda: _rate(lambda: [cached(clean(data).data, _SIDE) for data in files]),
        lambda: _rate(lambda: [_pillow(_pillow_clean(data)) for data in files]),
        "≥ 1.9",
    )
    how = Preprocessing(cache_side=_SIDE, input_side=224)
    trained = to_input(np.stack([cached(data, _SIDE) for data in files]), how)
    served = preprocess([clean(data).data for data in files], how)
    difference = float(np.abs(trained - served).max())
    bench.note("largest difference between training's input and serving's", "", f"{difference:g}", "", "0")


def _frames() -> list[bytes]:
    rng = np.random.default_rng(20260212)
    files = []
    for number in range(_PICTURES):
        camera, scene = make_camera(rng, "bench"), make_scene(rng, KINDS[number % len(KINDS)])
        out = BytesIO()
        Image.fromarray(render(rng, camera, scene, 1920, 1080)).save(out, "JPEG", quality=85)
        files.append(out.getvalue())
    return files


def _pillow(data: bytes) -> object:
    image = Image.open(BytesIO(data)).convert("RGB")
    return np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR))


def _pillow_clean(data: bytes) -> bytes:
    out = BytesIO()
    Image.open(BytesIO(data)).convert("RGB").save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


def _rate(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return _PICTURES / (perf_counter() - started)
