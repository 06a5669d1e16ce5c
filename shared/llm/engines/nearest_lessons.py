"""Lessons of ``local-nearest`` as numbers, and what can be learned of their words: a classifier, or an index."""

import warnings
from array import array
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from shared.llm.engines import has_minilm
from shared.llm.engines.features import PLACES, Features
from shared.llm.engines.lessons import Lesson
from shared.llm.engines.nearest_answers import Facts, Tensors
from shared.llm.engines.pairs import Texts, fields_of
from shared.llm.engines.slots import Template, shape_of

Ints = NDArray[np.int64]

_MOST_CLASSES: Final = 100
_SEEN_OFTEN: Final = 3  # lessons for each class, on average at least
_MOST_WEIGHTS: Final = 4_000_000  # features x classes: what is learned in seconds
_SHORT: Final = 1_000  # characters of a closed answer
_STRENGTH: Final = 30.0  # of the regression: 1 / penalty; features have length 1, so weights must be large
_ITERATIONS: Final = 200
_TOLERANCE: Final = 1e-3


@dataclass
class Lessons:
    """All lessons as numbers, one row each."""

    places: "array[int]" = field(default_factory=lambda: array("i"))
    weights: "array[float]" = field(default_factory=lambda: array("d"))
    ends: "array[int]" = field(default_factory=lambda: array("q", [0]))
    answers: "array[int]" = field(default_factory=lambda: array("i"))
    numbers: dict[tuple[object, ...], int] = field(default_factory=dict)  # of answers, by their shape
    templates: list[Template] = field(default_factory=list)  # the first one of each shape
    tokens: int = 0
    texts: list[Texts] = field(default_factory=list)  # that each compares, where all do
    comparing: bool = True

    def add(self, lesson: Lesson) -> None:
        """Take in a lesson."""
        self.places.extend(lesson.features.keys())
        self.weights.extend(lesson.features.values())
        self.ends.append(len(self.places))
        number = self.numbers.setdefault(shape_of(lesson.template), len(self.numbers))
        if number == len(self.templates):
            self.templates.append(lesson.template)
        self.answers.append(number)
        self.tokens += lesson.tokens
        if self.comparing:
            self._add_texts(lesson.texts)

    def _add_texts(self, texts: Texts | None) -> None:
        """Take in what a lesson compares; if that is nothing, or other fields, the lessons together compare nothing."""
        self.comparing = texts is not None and (not self.texts or fields_of(self.texts[0]) == fields_of(texts))
        if texts is not None and self.comparing:
            self.texts.append(texts)
        else:
            self.texts.clear()

    def __len__(self) -> int:
        return len(self.answers)

    def are_closed(self) -> bool:
        """Whether the answers are few, short and seen often: then telling them apart is what there is to learn."""
        if not self.are_few():
            return False
        _, seen = np.unique(np.frombuffer(self.places, dtype=np.int32), return_counts=True)
        return len(self.templates) * int((seen > 1).sum()) <= _MOST_WEIGHTS

    def are_few(self) -> bool:
        """Whether the answers are few, short and seen often, however many features their questions have."""
        many = len(self.templates)
        if many > _MOST_CLASSES or many * _SEEN_OFTEN > len(self):
            return False
        return all(sum(len(p) if isinstance(p, str) else 1 for p in t) <= _SHORT for t in self.templates)

    def compare(self) -> bool:
        """Whether the lessons teach how texts are compared, and the encoder that it takes is here."""
        return self.comparing and len(self.templates) > 1 and self.are_few() and has_minilm()

    def features(self, row: int) -> Features:
        """Return the features of one lesson."""
        part = slice(self.ends[row], self.ends[row + 1])
        return dict(zip(self.places[part], self.weights[part], strict=True))

    def part(self, rows: Ints) -> "Part":
        """Return some of the lessons, with the features and answers that they have."""
        ends = np.frombuffer(self.ends, dtype=np.int64)
        every = csr_matrix(
            (
                np.frombuffer(self.weights, dtype=np.float64),
                np.frombuffer(self.places, dtype=np.int32),
                ends,
            ),
            shape=(len(self), PLACES),
        )
        chosen = every[rows]
        places, columns = np.unique(chosen.indices, return_inverse=True)
        narrow = csr_matrix((chosen.data, columns.astype(np.int32), chosen.indptr), shape=(len(rows), len(places)))
        used, answers = np.unique(np.frombuffer(self.answers, dtype=np.int32)[rows], return_inverse=True)
        return Part(places=places, counts=narrow, answers=answers, templates=[self.templates[n] for n in used])


@dataclass(frozen=True, kw_only=True)
class Part:
    """Lessons to learn from: the features that they have, their weights (lessons x features), and their answers."""

    places: Ints
    counts: csr_matrix
    answers: Ints
    templates: list[Template]

    def learn(self, *, closed: bool) -> tuple[Facts, Tensors]:
        """Return a model of these lessons: a classifier of closed answers, or an index of open ones."""
        count = len(self.answers)
        in_lessons = np.bincount(self.counts.indices, minlength=len(self.places))
        idf = np.log((1.0 + count) / (1.0 + in_lessons)).astype(np.float32)
        matrix = self.counts.multiply(idf.astype(np.float64)).tocsr()
        matrix.eliminate_zeros()  # what every lesson has tells nothing, and would only be looked through
        if len(self.places):
            matrix = normalize(matrix)
        # What one lesson alone has cannot tell its class from another's; and it is most of the features of texts.
        shared_ones = np.flatnonzero(in_lessons > 1)
        closed = closed and len(self.templates) > 1 and len(shared_ones) > 0
        facts = Facts(mode="classify" if closed else "retrieve", lessons=count, answers=len(self.templates))
        if closed:
            known = {"places": self.places[shared_ones], "idf": idf[shared_ones]}
            return facts, known | self._classifier(matrix[:, shared_ones])
        return facts, {"places": self.places, "idf": idf} | self._index(matrix)

    def _classifier(self, matrix: csr_matrix) -> Tensors:
        model = LogisticRegression(C=_STRENGTH, tol=_TOLERANCE, max_iter=_ITERATIONS)
        with warnings.catch_warnings():
            # Its guess that so many classes may be numbers is wrong here, early on the learning curve.
            warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
            model.fit(matrix, self.answers)
        weights, bias = model.coef_.T, model.intercept_
        if len(self.templates) == 2:  # noqa: PLR2004  (then there is one column: the second class against the first)
            weights, bias = np.hstack([np.zeros_like(weights), weights]), np.array([0.0, bias[0]])
        return {"weights": weights, "bias": bias}

    def _index(self, matrix: csr_matrix) -> Tensors:
        by_feature = matrix.tocsc()
        by_feature.sort_indices()
        return {
            "starts": by_feature.indptr,
            "lessons": by_feature.indices,
            "values": by_feature.data,
            "answers": self.answers,
        }
