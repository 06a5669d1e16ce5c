"""How ``local-nearest`` learns to compare texts: a logistic regression on the figures of ``pairs.py``, calibrated.

How strongly it is held back, and how sure it may be, is decided on lessons that it has not seen: those that share a
text with each other are always on one side. So the probabilities it tells are those that it has on new subjects.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from shared.llm.engines.minilm import Encoded, Encoder
from shared.llm.engines.pairs import Texts, figures, width

Matrix = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_LEARNED: Final = 20_000  # lessons: more teach little, and each costs milliseconds
_AT_ONCE: Final = 256  # lessons whose texts are encoded together
_KEPT: Final = 6_000  # texts whose states are remembered: 40 kB each
_STRENGTHS: Final = (0.0001, 0.001, 0.01, 0.1)  # 1 / penalty, of figures with variance 1
_USUAL: Final = 0.01
_FOLDS: Final = 5
_FEWEST_OF_A_KIND: Final = 10
_LARGEST_SHARE: Final = 0.6  # of all lessons that hang together: above, lessons are parted by their first text
_ITERATIONS: Final = 500
_SLOPES: Final = (0.05, 20.0)
_FREE: Final = 1e4  # as good as no penalty
_TWO: Final = 2


@dataclass(frozen=True, kw_only=True)
class Comparer:
    """A classifier of figures: ``weights`` (figures x answers), ``bias``, and how ``usual`` each answer is (log)."""

    weights: Matrix
    bias: Matrix
    usual: Matrix


def figures_of(
    questions: Sequence[Texts], encoder: Encoder, report: Callable[[float], None], *, symmetric: bool
) -> NDArray[np.float32]:
    """Return the figures of questions, one row each; texts that return are encoded once."""
    rows = np.zeros((len(questions), width(len(questions[0]))), dtype=np.float32)
    known: OrderedDict[str, Encoded] = OrderedDict()
    for start in range(0, len(questions), _AT_ONCE):
        part = questions[start : start + _AT_ONCE]
        _encode(part, encoder, known)
        for row, question in enumerate(part, start):
            rows[row] = figures(question, [_whole(known[text]) for _, text in question], symmetric=symmetric)
        report(min(1.0, (start + _AT_ONCE) / len(questions)))
    return rows


def _encode(part: Sequence[Texts], encoder: Encoder, known: "OrderedDict[str, Encoded]") -> None:
    wanted = dict.fromkeys(text for question in part for _, text in question)
    for text in wanted:
        if text in known:
            known.move_to_end(text)
    missing = [text for text in wanted if text not in known]
    for text, found in zip(missing, encoder.encode(missing), strict=True):
        # half the bytes are enough to keep them; what is answered with later is rounded nowhere
        known[text] = found._replace(middle=found.middle.astype(np.float16), last=found.last.astype(np.float16))
    while len(known) > _KEPT:
        known.popitem(last=False)


def _whole(found: Encoded) -> Encoded:
    return found._replace(middle=found.middle.astype(np.float32), last=found.last.astype(np.float32))


def learn(matrix: NDArray[np.float32], answers: Ints, questions: Sequence[Texts]) -> Comparer:
    """Learn which answer goes with which figures; ``answers`` are numbers from 0 on, each with a lesson at least."""
    folds = _folds(questions)
    strength, slope, offset = _USUAL, 1.0, 0.0
    rare = np.bincount(answers).min() < _FEWEST_OF_A_KIND
    splits = [] if rare else [(folds != fold, folds == fold) for fold in range(_FOLDS)]
    splits = [(learned, asked) for learned, asked in splits if asked.any()]
    if splits and all(len(np.unique(answers[learned])) == answers.max() + 1 for learned, _ in splits):
        told = [(s, _told(matrix, answers, splits, s)) for s in _STRENGTHS]
        strength, scores = min(told, key=lambda t: _loss(t[1], answers, 1.0))
        slope, offset = _calibration(scores, answers)
    plain = _fit(matrix, answers, strength)
    bias = plain.bias * slope
    if len(bias) == _TWO:
        bias[1] += offset
    return Comparer(weights=plain.weights * slope, bias=bias, usual=plain.usual)


def learn_plainly(matrix: NDArray[np.float32], answers: Ints) -> Comparer:
    """Learn without looking how well it goes: for the points of a learning curve."""
    return _fit(matrix, answers, _USUAL)


def _fit(matrix: NDArray[np.float32], answers: Ints, strength: float) -> Comparer:
    values = matrix.astype(np.float64)
    mean, spread = values.mean(axis=0), values.std(axis=0)
    spread[spread < 1e-6] = np.inf  # noqa: PLR2004  (what never differs tells nothing)
    model = LogisticRegression(C=strength, max_iter=_ITERATIONS)
    model.fit((values - mean) / spread, answers)
    weights, bias = model.coef_.T, model.intercept_
    if weights.shape[1] == 1:  # two answers have one column: the second one against the first
        weights, bias = np.hstack([np.zeros_like(weights), weights]), np.array([0.0, bias[0]])
    weights = weights / spread[:, None]
    return Comparer(weights=weights, bias=bias - mean @ weights, usual=np.log(np.bincount(answers) / len(answers)))


def _told(
    matrix: NDArray[np.float32], answers: Ints, splits: Sequence[tuple[NDArray[Any], NDArray[Any]]], strength: float
) -> Matrix:
    """Return scores of all lessons (lessons x answers), each by a model that has not seen it."""
    scores = np.zeros((len(answers), int(answers.max()) + 1))
    for learned, asked in splits:
        model = _fit(matrix[learned], answers[learned], strength)
        scores[asked] = matrix[asked] @ model.weights + model.bias
    return scores


def _calibration(scores: Matrix, answers: Ints) -> tuple[float, float]:
    """Return slope and offset that make scores honest: Platt's for two answers, a temperature for more.

    Platt (1999) takes no lesson for quite certain, or scores that part the lessons would make everything certain.
    """
    if scores.shape[1] == _TWO:
        margin = scores[:, 1] - scores[:, 0]
        scale = float(margin.std()) or 1.0
        doubt = 1 / (np.bincount(answers)[answers] + 2)
        platt = LogisticRegression(C=_FREE).fit(
            np.concatenate([margin, margin])[:, None] / scale,
            np.concatenate([answers, 1 - answers]),
            sample_weight=np.concatenate([1 - doubt, doubt]),
        )
        if platt.coef_[0, 0] > 0:
            return float(platt.coef_[0, 0]) / scale, float(platt.intercept_[0])
        seen = np.bincount(answers)
        return _SLOPES[0], float(np.log(seen[1] / seen[0]))  # nothing of use was learned: the usual answer
    found = minimize_scalar(lambda slope: _loss(scores, answers, slope), bounds=_SLOPES, method="bounded")
    return float(found.x), 0.0


def _loss(scores: Matrix, answers: Ints, slope: float) -> float:
    """Return the mean loss in nats."""
    scaled = scores * slope
    scaled -= scaled.max(axis=1, keepdims=True)
    logs = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return -float(logs[np.arange(len(answers)), answers].mean())


# --- which lessons hang together ------------------------------------------------------------------------------------


def _folds(questions: Sequence[Texts]) -> Ints:
    """Part the lessons in folds of like size. Those that share a text, however indirectly, are in the same one."""
    groups = _components(questions)
    if np.bincount(groups).max() > _LARGEST_SHARE * len(groups):
        first: dict[str, int] = {}
        groups = np.array([first.setdefault(question[0][1], len(first)) for question in questions], dtype=np.int64)
    sizes = np.bincount(groups)
    filled, fold_of = [0] * _FOLDS, np.zeros(len(sizes), dtype=np.int64)
    for group in np.lexsort((np.arange(len(sizes)), -sizes)).tolist():
        fold = filled.index(min(filled))
        fold_of[group] = fold
        filled[fold] += int(sizes[group])
    return fold_of[groups]


def _components(questions: Sequence[Texts]) -> Ints:
    parents: dict[str, str] = {}

    def root(text: str) -> str:
        while parents.setdefault(text, text) != text:
            parents[text] = parents[parents[text]]
            text = parents[text]
        return text

    for question in questions:
        for (_, one), (_, other) in pairwise(question):
            parents[root(one)] = root(other)
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(root(q[0][1]), len(numbers)) for q in questions], dtype=np.int64)
