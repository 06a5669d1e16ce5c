"""A model in memory and on disk: what it answers, and what it refuses to load."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from safetensors.numpy import save as save_tensors

from shared.errors import CorruptError, RefusedError, TuneyardError
from shared.pipelines.router import PIPELINE
from shared.pipelines.router.contracts import Difficulty
from tests.shared.pipelines.router.support import sample_rows, train

QUERIES = ["What is the capital of Peru?", "Prove that there are infinitely many primes.", "é", "x" * 5_000]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("router") / "model"
    train(sample_rows(400), folder)
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return copytree(trained, tmp_path / "model")


def test_an_answer_is_a_distribution_and_the_surest_label(trained: Path) -> None:
    for answer in PIPELINE.load(trained).predict(QUERIES):
        shares = answer.output.probabilities
        assert sum(shares.values()) == pytest.approx(1)
        assert answer.confidence == max(shares.values())
        surest = max(shares, key=lambda label: shares[label])
        assert answer.output.difficulty in {surest, Difficulty.UNCERTAIN}


def test_an_answer_does_not_depend_on_its_batch(trained: Path) -> None:
    model = PIPELINE.load(trained)
    alone = [model.predict([query])[0] for query in QUERIES]
    assert list(model.predict(QUERIES)) == alone
    assert list(model.predict(QUERIES[::-1])) == alone[::-1]
    assert list(PIPELINE.load(trained).predict(QUERIES)) == alone
    assert model.predict([]) == []


def test_below_the_threshold_it_is_uncertain(folder: Path) -> None:
    facts = json.loads((folder / "model.json").read_text())
    for threshold, uncertain in ((0.999999, True), (0.01, False)):
        (folder / "model.json").write_text(json.dumps(facts | {"confidence_threshold": threshold}))
        answers = PIPELINE.load(folder).predict(QUERIES)
        assert all((a.output.difficulty is Difficulty.UNCERTAIN) is uncertain for a in answers)
        assert all(len(a.output.probabilities) == 3 for a in answers)


def _change(**changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> object:
        path = folder / "model.json"
        return path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def _weights(**tensors: np.ndarray) -> Callable[[Path], object]:
    return lambda folder: (folder / "weights.safetensors").write_bytes(save_tensors(tensors))


BROKEN: dict[str, tuple[Callable[[Path], object], type[TuneyardError]]] = {
    "no facts": (lambda folder: (folder / "model.json").unlink(), CorruptError),
    "no weights": (lambda folder: (folder / "weights.safetensors").unlink(), CorruptError),
    "facts are no JSON": (lambda folder: (folder / "model.json").write_text("{"), CorruptError),
    "facts of another program": (_change(format="other/1"), CorruptError),
    "facts with more in them": (_change(code="import os"), CorruptError),
    "other labels": (_change(labels=["HARD", "MEDIUM", "EASY"]), CorruptError),
    "facts too large": (lambda folder: (folder / "model.json").write_bytes(b" " * (1 << 21)), CorruptError),
    "weights cut off": (
        lambda folder: (folder / "weights.safetensors").write_bytes((folder / "weights.safetensors").read_bytes()[:-9]),
        CorruptError,
    ),
    "weights of another shape": (_weights(weights=np.ones((5, 3), "f4"), bias=np.ones(3, "f4")), CorruptError),
    "weights of another type": (_weights(weights=np.ones((5, 3)), bias=np.ones(3)), CorruptError),
    "features of another version": (
        _change(features={"version": 99, "groups": ["surface", "words", "chars"], "sha256": "0" * 64}),
        RefusedError,
    ),
    "features of another hash": (
        _change(features={"version": 1, "groups": ["surface", "words", "chars"], "sha256": "0" * 64}),
        RefusedError,
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_or_foreign_model_is_not_loaded(folder: Path, fault: str) -> None:
    break_it, error = BROKEN[fault]
    break_it(folder)
    with pytest.raises(error):
        PIPELINE.load(folder)


def test_weights_that_are_no_numbers_are_not_loaded(folder: Path) -> None:
    from safetensors.numpy import load

    tensors = load((folder / "weights.safetensors").read_bytes())
    tensors["weights"] = np.full_like(tensors["weights"], np.nan)
    (folder / "weights.safetensors").write_bytes(save_tensors(tensors))
    with pytest.raises(CorruptError, match="finite"):
        PIPELINE.load(folder)


_DECLARE = """
import sys
from shared.pipelines.router import PIPELINE
print(PIPELINE.fallback("why?").output.difficulty.value)
print(sorted({"numpy", "scipy", "sklearn", "nltk", "safetensors", "torch", "onnxruntime"} & set(sys.modules)))
"""
_SERVE = """
import sys
from pathlib import Path
for absent in ("sklearn", "scipy", "threadpoolctl", "torch", "onnxruntime"):
    sys.modules[absent] = None  # importing it fails
from shared.pipelines.router import PIPELINE
print(PIPELINE.load(Path(sys.argv[1])).predict(["why?"])[0].confidence)
"""


def _run(program: str, *arguments: str) -> list[str]:
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_declaring_the_pipeline_and_its_fallback_load_no_heavy_library() -> None:
    assert _run(_DECLARE) == ["UNCERTAIN", "[]"]


def test_serving_needs_no_scikit_learn(trained: Path) -> None:
    (confidence,) = _run(_SERVE, str(trained))
    assert float(confidence) == PIPELINE.load(trained).predict(["why?"])[0].confidence
