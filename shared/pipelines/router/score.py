"""How well a model does on held-out rows: right or wrong for each row, and summary figures."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.contracts import JsonObject
from shared.pipeline import Answer, Loaded, Row, Scores
from shared.pipelines.router.contracts import LABELS, Difficulty, Prediction, parse_label, parse_query

_BATCH: Final = 512
_BINS: Final = 10  # of equal width, for the calibration error

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def score(model: Loaded[str, Prediction], rows: Iterator[Row]) -> Scores:
    """Score a model: 1 for each row whose most probable label is the person's, else 0.

    An answer that the confidence threshold turns into UNCERTAIN is judged by its most probable label too; ``coverage``
    and ``covered_accuracy`` say what the threshold does.
    """
    truth: list[int] = []
    probabilities: list[list[float]] = []
    answered: list[bool] = []
    while batch := list(islice(rows, _BATCH)):
        answers = model.predict([parse_query(row.input) for row in batch])
        truth += [LABELS.index(parse_label(row.label)) for row in batch]
        probabilities += [_probabilities(answer) for answer in answers]
        answered += [answer.output.difficulty is not Difficulty.UNCERTAIN for answer in answers]
    actual = np.array(truth, dtype=np.int64)
    shares = np.array(probabilities, dtype=np.float64).reshape(len(truth), len(LABELS))
    right = (shares.argmax(axis=1) == actual).astype(np.float64)
    metrics = summary(actual, shares, np.array(answered, dtype=bool))
    return Scores(per_row=right.tolist(), metrics=metrics)


def summary(actual: Ints, probabilities: Floats, answered: NDArray[np.bool_]) -> JsonObject:
    """Return the figures of some rows; None where there is nothing to divide by.

    ``actual`` holds places in ``LABELS``, ``probabilities`` one row of as many shares each, ``answered`` whether the
    answer was surer than the threshold. ``confusion`` has a row for each true label, a column for each predicted one.
    """
    predicted = probabilities.argmax(axis=1) if len(actual) else np.empty(0, dtype=np.int64)
    confusion = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
    np.add.at(confusion, (actual, predicted), 1)
    right = predicted == actual
    per_class = {label: _class_figures(confusion, place) for place, label in enumerate(LABELS)}
    seen = [figures["f1"] for figures in per_class.values() if figures["support"] or figures["predicted"]]
    return {
        "rows": len(actual),
        "accuracy": _mean(right),
        "macro_f1": _mean([f1 or 0.0 for f1 in seen]),
        "per_class": per_class,
        "labels": list(LABELS),
        "confusion": confusion.tolist(),
        "calibration_error": _calibration_error(probabilities, right),
        "calibration": _calibration(probabilities, right),
        "log_loss": _mean(-np.log(np.clip(probabilities[np.arange(len(actual)), actual], 1e-12, 1))),
        "coverage": _mean(answered),
        "covered_accuracy": _mean(right[answered]),
    }


def _probabilities(answer: Answer[Prediction]) -> list[float]:
    return [answer.output.probabilities[label] for label in LABELS]


def _class_figures(confusion: Ints, place: int) -> dict[str, float | None]:
    hits, support, predicted = (
        int(confusion[place, place]), int(confusion[place].sum()), int(confusion[:, place].sum())
    )  # fmt: skip
    return {
        "precision": hits / predicted if predicted else None,
        "recall": hits / support if support else None,
        "f1": 2 * hits / (support + predicted) if support + predicted else None,
        "support": support,
        "predicted": predicted,
    }


def _calibration_error(probabilities: Floats, right: NDArray[np.bool_]) -> float | None:
    """Return the mean gap between confidence and accuracy over bins of confidence, weighted by their rows (ECE)."""
    if not len(right):
        return None
    confidence = probabilities.max(axis=1)
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(right))


def _calibration(probabilities: Floats, right: NDArray[np.bool_]) -> list[JsonObject]:
    """Return for each bin of confidence with rows in it: their mean confidence, the share that is right, their number.

    Those are the bins of the calibration error.
    """
    if not len(right):
        return []
    confidence = probabilities.max(axis=1)
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    return [
        {"said": float(confidence[inside].mean()), "true": float(right[inside].mean()), "rows": int(inside.sum())}
        for inside in (bins == number for number in range(_BINS))
        if inside.any()
    ]


def _mean(values: Iterable[float] | Sequence[float] | NDArray[np.generic]) -> float | None:
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()) if array.size else None
