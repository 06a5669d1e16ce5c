"""How ``local-nearest`` learns: thousands of conversations in seconds on one processor, and always the same bytes.

Features of all lessons are weighed by how rare they are. Few different and short answers, each seen often, become the
classes of a logistic regression; otherwise the lessons themselves are kept, and the nearest of them answer.
"""

import warnings
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from shared.contracts import JsonObject
from shared.errors import RefusedError
from shared.llm.engines import NEAREST, Progress, Trained, TrainingStep
from shared.llm.engines.features import PLACES, Features
from shared.llm.engines.lessons import Lesson, lessons_of
from shared.llm.engines.nearest_model import Facts, Guess, NearestModel, Tensors, save
from shared.llm.engines.slots import Template, shape_of, slots_of

Ints = NDArray[np.int64]

_CURVE: Final = (0.1, 0.25, 0.5, 0.75, 1.0)  # shares of the lessons after which it is measured how well they are known
_HELD_OUT: Final = 5  # one lesson in so many is held out for that
_MOST_HELD_OUT: Final = 300
_FEWEST: Final = 5
_MOST_LESSONS: Final = 200_000
_MOST_CLASSES: Final = 100
_SEEN_OFTEN: Final = 3  # lessons for each class, on average at least
_MOST_WEIGHTS: Final = 4_000_000  # features x classes: what is learned in seconds
_SHORT: Final = 1_000  # characters of a closed answer
_STRENGTH: Final = 30.0  # of the regression: 1 / penalty; features have length 1, so weights must be large
_ITERATIONS: Final = 200
_TOLERANCE: Final = 1e-3
_BETWEEN_REPORTS: Final = 500
_READ, _MEASURED = 0.4, 0.9  # shares of the work, roughly
_NOT_SURE: Final = 0.02  # what is left for all other answers, so that a wrong one does not cost infinitely much


@dataclass
class _Lessons:
    """All lessons as numbers, one row each."""

    places: "array[int]" = field(default_factory=lambda: array("i"))
    weights: "array[float]" = field(default_factory=lambda: array("d"))
    ends: "array[int]" = field(default_factory=lambda: array("q", [0]))
    answers: "array[int]" = field(default_factory=lambda: array("i"))
    numbers: dict[tuple[object, ...], int] = field(default_factory=dict)  # of answers, by their shape
    templates: list[Template] = field(default_factory=list)  # the first one of each shape
    tokens: int = 0

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

    def __len__(self) -> int:
        return len(self.answers)

    def are_closed(self) -> bool:
        """Whether the answers are few, short and seen often: then telling them apart is what there is to learn."""
        many = len(self.templates)
        if many > _MOST_CLASSES or many * _SEEN_OFTEN > len(self):
            return False
        _, seen = np.unique(np.frombuffer(self.places, dtype=np.int32), return_counts=True)
        short = all(sum(len(p) if isinstance(p, str) else 1 for p in t) <= _SHORT for t in self.templates)
        return short and many * int((seen > 1).sum()) <= _MOST_WEIGHTS

    def features(self, row: int) -> Features:
        """Return the features of one lesson."""
        part = slice(self.ends[row], self.ends[row + 1])
        return dict(zip(self.places[part], self.weights[part], strict=True))

    def part(self, rows: Ints) -> "_Part":
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
        return _Part(places=places, counts=narrow, answers=answers, templates=[self.templates[n] for n in used])


@dataclass(frozen=True, kw_only=True)
class _Part:
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


def train(
    conversations: Iterable[JsonObject], folder: Path, report: Progress, *, seed: int, validation: Iterable[JsonObject]
) -> Trained:
    """Learn, and write the model's files (see ``Engine.train``)."""
    lessons = _read(conversations, report)
    asked = _read(validation, lambda *_, **__: None)
    # threads would change the order of sums, and with it the last digits
    with threadpool_limits(limits=1):
        steps = _curve(lessons, asked, seed, report)
        part = lessons.part(np.arange(len(lessons)))
        facts, tensors = part.learn(closed=lessons.are_closed())
    save(folder, facts, part.templates, tensors)
    report(1.0, "model written")
    parameters: JsonObject = {
        "base_model": NEAREST,
        "mode": facts.mode,
        "lessons": facts.lessons,
        "answers": facts.answers,
        "slots": slots_of(part.templates),
        "features": len(tensors["places"]),
        "seed": seed,
        "n_epochs": 1,
    }
    return Trained(steps=tuple(steps), tokens=lessons.tokens, examples=len(lessons), parameters=parameters)


def _read(conversations: Iterable[JsonObject], report: Progress) -> _Lessons:
    lessons = _Lessons()
    for number, line in enumerate(conversations, 1):
        for lesson in lessons_of(line):
            lessons.add(lesson)
        if len(lessons) > _MOST_LESSONS:
            raise RefusedError(f"local-nearest learns from {_MOST_LESSONS:,} answers at most", advice="use fewer lines")
        if number % _BETWEEN_REPORTS == 0:
            # how many there will be is not known: approach the share, never reach it
            report(_READ * number / (number + 4 * _BETWEEN_REPORTS), f"read {number:,} conversations")
    return lessons


def _curve(lessons: _Lessons, asked: _Lessons, seed: int, report: Progress) -> list[TrainingStep]:
    """Learn from growing shares of the lessons, and measure each time how well others are answered."""
    if not len(lessons):
        raise RefusedError(
            "there is no answer in text to learn from", advice="local-nearest learns from assistant messages with text"
        )
    everything = np.arange(len(lessons))
    if len(asked):
        learned, held_out = everything, np.arange(len(asked))[:_MOST_HELD_OUT]
    else:
        asked = lessons
        draws = np.array([_draw(lessons, row, seed) for row in range(len(lessons))], dtype=np.int64)
        learned, held_out = everything[draws % _HELD_OUT != 0], everything[draws % _HELD_OUT == 0][:_MOST_HELD_OUT]
    steps: list[TrainingStep] = []
    if not len(held_out) or len(learned) < _FEWEST:
        return steps
    closed = lessons.are_closed()
    counts = sorted({max(int(len(learned) * share), _FEWEST) for share in _CURVE})
    for number, count in enumerate(counts, 1):
        part = lessons.part(learned[:count])
        facts, tensors = part.learn(closed=closed)
        loss, accuracy = _measure(NearestModel(facts, part.templates, _typed(tensors)), part.templates, asked, held_out)
        steps.append(TrainingStep(number, round(loss, 6), round(accuracy, 6)))
        fraction = _READ + (_MEASURED - _READ) * number / len(counts)
        report(fraction, f"learned from {count:,} answers", step=number, loss=loss, accuracy=accuracy)
    return steps


def _draw(lessons: _Lessons, row: int, seed: int) -> int:
    """Draw a lesson by what it asks, so that the same question is never on both sides."""
    part = lessons.places[lessons.ends[row] : lessons.ends[row + 1]]
    return crc32(part.tobytes(), seed & 0xFFFFFFFF)


def _measure(model: NearestModel, templates: list[Template], asked: _Lessons, held_out: Ints) -> tuple[float, float]:
    """Return loss and accuracy: how much of each wanted answer is in the given one, and what missing it costs."""
    losses, hits = 0.0, 0.0
    numbers = {shape_of(template): number for number, template in enumerate(templates)}
    for row in held_out.tolist():
        wanted = asked.templates[asked.answers[row]]
        known = numbers.get(shape_of(wanted))
        guess = model.guess(asked.features(row))
        hit = 1.0 if guess.answer == known else _overlap(templates[guess.answer], wanted)
        hits += hit
        losses -= float(np.log(_probability(guess, known, hit)))
    return losses / len(held_out), hits / len(held_out)


def _probability(guess: Guess, wanted: int | None, hit: float) -> float:
    """Return the probability that the model gave to the wanted answer; where it knows none, the share it got right."""
    if guess.shares is not None:
        return max(float(guess.shares[wanted]) if wanted is not None else 0.0, _NOT_SURE)
    return max(hit, _NOT_SURE)


def _overlap(given: Template, wanted: Template) -> float:
    """Return the F1 of the words that two answers share; a slot counts as a word."""
    ours, theirs = _words(given), _words(wanted)
    return 2 * len(ours & theirs) / max(len(ours) + len(theirs), 1)


def _words(template: Template) -> set[Any]:
    words: set[Any] = set()
    for part in template:
        words |= set(part.casefold().split()) if isinstance(part, str) else {(part.path,)}
    return words


def _typed(tensors: Tensors) -> Tensors:
    """Measure with the numbers that are written, not with finer ones."""
    return {name: t.astype(np.float32) if t.dtype == np.float64 else t for name, t in tensors.items()}
