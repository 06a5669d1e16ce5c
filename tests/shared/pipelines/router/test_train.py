"""Training: the same bytes from the same rows, honest probabilities, and clear refusals."""

from pathlib import Path

import numpy as np
import pytest

from shared.errors import JobCancelled, RefusedError
from shared.pipelines.router import PIPELINE
from shared.pipelines.router import train as training
from shared.pipelines.router.calibration import fold_of, temperature
from shared.pipelines.router.contracts import LABELS, Difficulty
from shared.pipelines.router.policy import policy
from tests.shared.pipelines.router.support import quiet, row, sample_rows, split, train


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows = sample_rows(300)
    train(rows, tmp_path / "one")
    train(iter(rows), tmp_path / "other")
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "other")
    assert sorted(_bytes(tmp_path / "one")) == ["model.json", "weights.safetensors"]


def test_other_rows_give_another_model(tmp_path: Path) -> None:
    train(sample_rows(300), tmp_path / "one")
    train(sample_rows(300)[:-1], tmp_path / "other")
    assert _bytes(tmp_path / "one") != _bytes(tmp_path / "other")


def test_the_summary_says_what_the_model_was_made_with(tmp_path: Path) -> None:
    rows = sample_rows(200)
    summary = training.train(rows, tmp_path, quiet)
    assert summary.parameters["confidence_threshold"] == 0.6
    assert summary.parameters["features"]["groups"] == ["surface", "words", "chars"]
    assert summary.metrics["rows"] == len(rows)
    assert summary.metrics["labels"] == {label: sum(r.label == label for r in rows) for label in LABELS}


def test_it_learns_what_sets_the_labels_apart(tmp_path: Path) -> None:
    rows = sample_rows(1500)
    scores = PIPELINE.score(train(split(rows, "train"), tmp_path), iter(split(rows, "test")))
    assert scores.metrics["accuracy"] > 0.75
    assert scores.metrics["macro_f1"] > 0.75
    assert scores.metrics["calibration_error"] < 0.1
    assert scores.metrics["covered_accuracy"] > scores.metrics["accuracy"]


def test_progress_grows_to_the_end(tmp_path: Path) -> None:
    seen: list[float] = []
    training.train(sample_rows(100), tmp_path, lambda fraction, _: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_a_cancelled_training_leaves_no_model(tmp_path: Path) -> None:
    def cancelled(_fraction: float, _message: str) -> None:
        raise JobCancelled("cancelled")

    with pytest.raises(JobCancelled):
        training.train(sample_rows(60), tmp_path, cancelled)
    assert _bytes(tmp_path) == {}


@pytest.mark.parametrize(("labels", "reason"), [(["HARD"], "all 60 labels are HARD"), ([], "all 0 labels are missing")])
def test_one_label_alone_is_refused(tmp_path: Path, labels: list[str], reason: str) -> None:
    rows = [row(f"question {chr(97 + n % 26)}{n}", "HARD") for n in range(60) if labels]
    with pytest.raises(RefusedError, match=reason):
        training.train(rows, tmp_path, quiet)


def test_a_label_that_nobody_gave_is_never_answered(tmp_path: Path) -> None:
    rows = [r for r in sample_rows(300) if r.label != "MEDIUM"]
    answers = train(rows, tmp_path).predict([r.input for r in rows])
    assert max(answer.output.probabilities["MEDIUM"] for answer in answers) < 1e-3
    assert {answer.output.difficulty for answer in answers} >= {Difficulty.EASY, Difficulty.HARD}


def test_the_smallest_data_that_the_policy_allows_train(tmp_path: Path) -> None:
    rows = sample_rows(policy().min_samples)
    train(rows, tmp_path).predict(["What is 2 + 2?"])


def test_words_that_never_vary_do_no_harm(tmp_path: Path) -> None:
    rows = [row("the same", "EASY")] * 30 + [row("the same", "HARD")] * 10
    answer = train(rows, tmp_path).predict(["the same"])[0]
    assert answer.output.probabilities["EASY"] == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize("heat", [0.5, 1.0, 3.0])
def test_the_temperature_is_found_again(heat: float) -> None:
    rng = np.random.default_rng(1)
    honest = rng.normal(size=(20_000, 3)) * 2
    shares = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    actual = (shares.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    assert temperature(honest * heat, actual) == pytest.approx(heat, rel=0.05)


def test_without_rows_the_temperature_is_neutral() -> None:
    assert temperature(np.empty((0, 3)), np.empty(0, dtype=np.int64)) == 1


def test_folds_are_even_and_never_split_a_group() -> None:
    folds = [fold_of(f"group {n}", 3) for n in range(3_000)]
    assert min(folds.count(fold) for fold in range(3)) > 900
    assert folds == [fold_of(f"group {n}", 3) for n in range(3_000)]
