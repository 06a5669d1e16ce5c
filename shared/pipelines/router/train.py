"""Training: rows in, a calibrated logistic regression out. The same rows give the same bytes."""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from shared.errors import RefusedError
from shared.pipeline import Report, Row, TrainingSummary
from shared.pipelines.router.calibration import fold_of, temperature
from shared.pipelines.router.contracts import LABELS, parse_label, parse_query
from shared.pipelines.router.features import Features, installed_features
from shared.pipelines.router.model import ModelFacts, save
from shared.pipelines.router.policy import TrainingPolicy, policy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROWS_BETWEEN_REPORTS = 2_000
_FEATURES_DONE, _CALIBRATED = 0.3, 0.7  # shares of the work, roughly
_ROUNDING = 1e-9
_NEVER_SEEN = -20.0  # the score of a label that no row has: e^-20 is a probability of nothing


@dataclass(frozen=True, kw_only=True)
class _Table:
    """The training rows as numbers, one row each: dense and hashed features, place in ``LABELS``, fold."""

    dense: Floats
    hashed: csr_matrix
    labels: Ints
    folds: Ints


@dataclass(frozen=True, kw_only=True)
class _Scaling:
    """Brings the dense features to mean 0 and deviation 1, without which the penalty would be arbitrary."""

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, dense: Floats) -> Self:
        """Measure the features; one that never changes stays as it is (rounding gives it a deviation of nearly 0)."""
        deviation = dense.std(axis=0)
        return cls(mean=dense.mean(axis=0), deviation=np.where(deviation > _ROUNDING, deviation, 1.0))

    def apply(self, table: _Table) -> csr_matrix:
        """Return all features in one matrix, the dense ones scaled."""
        scaled = csr_matrix((table.dense - self.mean) / self.deviation)
        return hstack([scaled, table.hashed], format="csr")

    def fold_into(self, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """Return weights and bias that do the same on unscaled features."""
        width = len(self.mean)
        folded = weights.copy()
        folded[:width] /= self.deviation[:, None]
        return folded, bias - self.mean @ folded[:width]


def train(rows: Iterable[Row], folder: Path, report: Report) -> TrainingSummary:
    """Train on the rows and write the model's files into the folder.

    Raises ``RefusedError`` when all rows have the same label.
    """
    rules = policy()
    features = installed_features()
    # threads would change the order of sums, and with it the last digits: one machine's bytes would not be another's
    with threadpool_limits(limits=1):
        table = _table(rows, features, rules.training.folds, report)
        _check_labels(table.labels)
        scaling = _Scaling.of(table.dense)
        matrix = scaling.apply(table)
        heat = temperature(*_out_of_fold(matrix, table, rules.training, report))
        report(_CALIBRATED, "fitting the model on all rows")
        weights, bias = scaling.fold_into(*_fit(matrix, table.labels, rules.training))
    facts = ModelFacts(
        features=features.spec, confidence_threshold=rules.confidence_threshold, temperature=round(heat, 6)
    )
    save(folder, facts, weights / facts.temperature, bias / facts.temperature)
    report(1.0, "model written")
    return _summary(facts, rules.training, table)


def _table(rows: Iterable[Row], features: Features, folds: int, report: Report) -> _Table:
    dense, values, places, ends = array("d"), array("d"), array("i"), array("q", [0])
    labels, row_folds = array("q"), array("q")
    for number, row in enumerate(rows, 1):
        computed = features.row(parse_query(row.input))
        dense.frombytes(computed.values[: features.dense].tobytes())
        values.frombytes(computed.values[features.dense :].tobytes())
        places.frombytes((computed.places[features.dense :] - features.dense).astype(np.int32).tobytes())
        ends.append(len(places))
        labels.append(LABELS.index(parse_label(row.label)))
        row_folds.append(fold_of(row.group, folds))
        if number % _ROWS_BETWEEN_REPORTS == 0:
            # how many rows there will be is not known: approach the share, never reach it
            report(_FEATURES_DONE * number / (number + 10 * _ROWS_BETWEEN_REPORTS), f"features of {number:,} rows")
    hashed = csr_matrix(
        (np.frombuffer(values), np.frombuffer(places, dtype=np.int32), np.frombuffer(ends, dtype=np.int64)),
        shape=(len(labels), features.size - features.dense),
    )
    hashed.sum_duplicates()
    return _Table(
        dense=np.frombuffer(dense).reshape(len(labels), features.dense),
        hashed=hashed,
        labels=np.array(labels),
        folds=np.array(row_folds),
    )


def _check_labels(labels: Ints) -> None:
    present = np.unique(labels)
    if len(present) < 2:  # noqa: PLR2004  (it takes two to tell apart)
        only = LABELS[present[0]] if len(present) else "missing"
        raise RefusedError(
            f"all {len(labels)} labels are {only}: there is nothing to tell apart",
            advice="collect labels of at least two kinds",
        )


def _out_of_fold(matrix: csr_matrix, table: _Table, rules: TrainingPolicy, report: Report) -> tuple[Floats, Ints]:
    """Return scores of rows by models that have not seen them, and the rows' true labels.

    The first rows are as good as any: a dataset is sorted by ids that are hashes.
    """
    matrix, labels, folds = (part[: rules.calibration_rows] for part in (matrix, table.labels, table.folds))
    scores, actual = [], []
    for fold in range(rules.folds):
        share = fold / rules.folds
        report(
            _FEATURES_DONE + (_CALIBRATED - _FEATURES_DONE) * share, f"calibrating, fold {fold + 1} of {rules.folds}"
        )
        held_out = folds == fold
        if not held_out.any() or len(np.unique(labels[~held_out])) < 2:  # noqa: PLR2004
            continue
        weights, bias = _fit(matrix[~held_out], labels[~held_out], rules)
        scores.append(matrix[held_out] @ weights + bias)
        actual.append(labels[held_out])
    if not scores:
        return np.empty((0, len(LABELS))), np.empty(0, dtype=np.int64)
    return np.concatenate(scores), np.concatenate(actual)


def _fit(matrix: csr_matrix, labels: Ints, rules: TrainingPolicy) -> tuple[Floats, Floats]:
    """Fit the regression; return weights (places x labels) and bias, with places that no row has at 0."""
    used = np.unique(matrix.indices)
    model = LogisticRegression(C=rules.regularisation, tol=rules.tolerance, max_iter=rules.max_iterations)
    model.fit(matrix[:, used], labels)
    weights = np.zeros((matrix.shape[1], len(LABELS)))
    bias = np.full(len(LABELS), _NEVER_SEEN)
    classes = np.asarray(model.classes_)
    if len(classes) == 2:  # noqa: PLR2004  (scikit-learn then fits one column: the second class against the first)
        weights[used, classes[1]] = model.coef_[0]
        bias[classes] = (0.0, model.intercept_[0])
    else:
        weights[np.ix_(used, classes)] = model.coef_.T
        bias[classes] = model.intercept_
    return weights, bias


def _summary(facts: ModelFacts, rules: TrainingPolicy, table: _Table) -> TrainingSummary:
    counts = Counter(table.labels.tolist())
    parameters = {
        **rules.model_dump(mode="json"),
        "confidence_threshold": facts.confidence_threshold,
        "temperature": facts.temperature,
        "features": facts.features.model_dump(mode="json"),
    }
    metrics = {
        "rows": len(table.labels),
        "labels": {label: counts[place] for place, label in enumerate(LABELS)},
    }
    return TrainingSummary(parameters=parameters, metrics=metrics)
