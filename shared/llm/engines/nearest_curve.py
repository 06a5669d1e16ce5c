"""The learning curve of ``local-nearest``: how well others are answered after growing shares of the lessons."""

from collections.abc import Callable, Sequence
from typing import Any, Final
from zlib import crc32

import numpy as np

from shared.llm.engines import Progress, TrainingStep
from shared.llm.engines.nearest_answers import Guess
from shared.llm.engines.nearest_lessons import Ints, Lessons
from shared.llm.engines.slots import Template, shape_of

_CURVE: Final = (0.1, 0.25, 0.5, 0.75, 1.0)  # shares of the lessons after which it is measured how well they are known
_HELD_OUT: Final = 5  # one lesson in so many is held out for that
_MOST_HELD_OUT: Final = 300
_FEWEST: Final = 5
_MEASURED: Final = 0.9  # share of the work, roughly
_NOT_SURE: Final = 0.02  # what is left for all other answers, so that a wrong one does not cost infinitely much


def parted(lessons: Lessons, rows: Ints, asked: Lessons, seed: int) -> tuple[Ints, Ints]:
    """Return which of the rows are learned, and which (of the others, or of those asked) tell how well."""
    if len(asked):
        return rows, np.arange(len(asked))[:_MOST_HELD_OUT]
    draws = np.array([_draw(lessons, row, seed) for row in rows.tolist()], dtype=np.int64)
    return rows[draws % _HELD_OUT != 0], rows[draws % _HELD_OUT == 0][:_MOST_HELD_OUT]


def steps(
    learned: Ints, held_out: Ints, measured: Callable[[Ints], tuple[float, float]], report: Progress, *, begun: float
) -> list[TrainingStep]:
    """Measure after growing shares of what is learned; ``begun`` is the share of the work that is done before."""
    steps: list[TrainingStep] = []
    if not len(held_out) or len(learned) < _FEWEST:
        return steps
    counts = sorted({max(int(len(learned) * share), _FEWEST) for share in _CURVE})
    for number, count in enumerate(counts, 1):
        loss, accuracy = measured(learned[:count])
        steps.append(TrainingStep(number, round(loss, 6), round(accuracy, 6)))
        fraction = begun + (_MEASURED - begun) * number / len(counts)
        report(fraction, f"learned from {count:,} answers", step=number, loss=loss, accuracy=accuracy)
    return steps


def _draw(lessons: Lessons, row: int, seed: int) -> int:
    """Draw a lesson by what it asks, so that the same question is never on both sides."""
    part = lessons.places[lessons.ends[row] : lessons.ends[row + 1]]
    return crc32(part.tobytes(), seed & 0xFFFFFFFF)


def measure(
    guesses: Sequence[Guess], templates: Sequence[Template], asked: Lessons, held_out: Ints
) -> tuple[float, float]:
    """Return loss and accuracy: how much of each wanted answer is in the given one, and what missing it costs."""
    losses, hits = 0.0, 0.0
    numbers = {shape_of(template): number for number, template in enumerate(templates)}
    for guess, row in zip(guesses, held_out.tolist(), strict=True):
        wanted = asked.templates[asked.answers[row]]
        known = numbers.get(shape_of(wanted))
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
