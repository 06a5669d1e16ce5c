"""Trains ``local-nearest`` where every lesson compares texts, and the answers are few: see ``pairs.py``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.errors import RefusedError
from shared.llm.engines import Progress, TrainingStep, minilm
from shared.llm.engines.nearest_answers import Facts, Guess, Tensors
from shared.llm.engines.nearest_curve import measure, parted, steps
from shared.llm.engines.nearest_lessons import Lessons
from shared.llm.engines.pairs import Texts, fields_of, in_order
from shared.llm.engines.pairs_train import MOST_LEARNED, Comparer, Ints, figures_of, learn, learn_plainly
from shared.llm.engines.slots import Template

_SEEN: Final = 0.8  # share of the work, roughly
_ORDERED: Final = 0.95  # of the lessons, at least: else the order of their texts may mean something


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A classifier, and which of all answers it knows."""

    comparer: Comparer
    answers: Ints

    def guess(self, figures: NDArray[np.float32]) -> Guess:
        """Choose an answer, by its place in ``answers``."""
        scores = figures.astype(np.float64) @ self.comparer.weights + self.comparer.bias
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        best = int(shares.argmax())
        return Guess(best, float(shares[best]), shares)


class Comparing:
    """Lessons that compare texts, as figures. What there are too many of is left out, evenly."""

    def __init__(self, questions: Sequence[Texts], answers: Ints, report: Callable[[float], None]) -> None:
        chosen = np.arange(len(questions))
        if len(questions) > MOST_LEARNED:
            chosen = np.linspace(0, len(questions) - 1, MOST_LEARNED).astype(np.int64)
        self.rows: Ints = chosen
        self._questions = [questions[row] for row in chosen.tolist()]
        self._answers = answers[chosen]
        self._symmetric = sum(map(in_order, self._questions)) >= _ORDERED * len(chosen)
        self._matrix = self.figures(self._questions, report)

    def figures(self, questions: Sequence[Texts], report: Callable[[float], None]) -> NDArray[np.float32]:
        """Return the figures of questions: most of the work."""
        return figures_of(questions, minilm.encoder(), report, symmetric=self._symmetric)

    def figures_at(self, places: Ints) -> NDArray[np.float32]:
        """Return the figures of lessons (places in ``rows``)."""
        return self._matrix[places]

    def learn(self, places: Ints, *, carefully: bool) -> Learned | None:
        """Learn from some of the lessons; ``carefully``: decide by what was not seen. None: all answers are one."""
        known, answers = np.unique(self._answers[places], return_inverse=True)
        if len(known) == 1:
            return None
        if not carefully:
            return Learned(comparer=learn_plainly(self._matrix[places], answers), answers=known)
        questions = [self._questions[place] for place in places.tolist()]
        return Learned(comparer=learn(self._matrix[places], answers, questions), answers=known)

    def model(self, learned: Learned, templates: Sequence[Template]) -> tuple[Facts, list[Template], Tensors]:
        """Return the parts of the model that is written."""
        facts = Facts(
            mode="compare", lessons=len(self.rows), answers=len(learned.answers), fields=fields_of(self._questions[0]),
            symmetric=self._symmetric, encoder=minilm.ENCODER,
        )  # fmt: skip
        tensors: Tensors = {
            name: getattr(learned.comparer, name).astype(np.float32) for name in ("weights", "bias", "usual")
        }
        return facts, [templates[number] for number in learned.answers.tolist()], tensors


def learned(
    lessons: Lessons, asked: Lessons, seed: int, report: Progress, *, begun: float
) -> tuple[list[TrainingStep], tuple[Facts, list[Template], Tensors]]:
    """Learn from lessons that all compare texts; return the learning curve, and the model's parts."""
    answers = np.frombuffer(lessons.answers, dtype=np.int32).astype(np.int64)
    comparing = Comparing(
        lessons.texts, answers, lambda share: report(begun + (_SEEN - begun) * share, "compared texts")
    )
    places = {row: place for place, row in enumerate(comparing.rows.tolist())}

    def places_of(rows: Ints) -> Ints:
        return np.array([places[row] for row in rows.tolist()], dtype=np.int64)

    validated = asked.comparing and len(asked) > 0 and fields_of(asked.texts[0]) == fields_of(lessons.texts[0])
    others = asked if validated else lessons
    known, held_out = parted(lessons, comparing.rows, asked if validated else Lessons(), seed)
    if validated:
        seen = comparing.figures([asked.texts[row] for row in held_out.tolist()], lambda _: None)
    else:
        seen = comparing.figures_at(places_of(held_out))

    def measured(rows: Ints) -> tuple[float, float]:
        model = comparing.learn(places_of(rows), carefully=False)
        numbers = answers[rows[:1]] if model is None else model.answers
        guesses = [Guess(0, 1.0) if model is None else model.guess(figures) for figures in seen]
        return measure(guesses, [lessons.templates[number] for number in numbers.tolist()], others, held_out)

    curve = steps(known, held_out, measured, report, begun=_SEEN)
    model = comparing.learn(np.arange(len(comparing.rows)), carefully=True)
    if model is None:  # all but a few lessons, which were left out, have one answer
        raise RefusedError("all lessons have the same answer", advice="add lessons with another one")
    return curve, comparing.model(model, lessons.templates)
