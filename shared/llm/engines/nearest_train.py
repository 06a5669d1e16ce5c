"""How ``local-nearest`` learns: thousands of conversations in seconds on one processor, and always the same bytes.

Features of all lessons are weighed by how rare they are. Few different and short answers, each seen often, become the
classes of a logistic regression; otherwise the lessons themselves are kept, and the nearest of them answer. Where each
lesson compares texts and the sentence encoder is here, that regression is on how the texts meet (``pairs.py``).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from shared.contracts import JsonObject
from shared.errors import RefusedError
from shared.llm.engines import NEAREST, Progress, Trained, TrainingStep
from shared.llm.engines.lessons import lessons_of
from shared.llm.engines.nearest_answers import Facts, Tensors
from shared.llm.engines.nearest_curve import measure, parted, steps
from shared.llm.engines.nearest_lessons import Ints, Lessons
from shared.llm.engines.nearest_model import NearestModel, save
from shared.llm.engines.slots import Template, slots_of

Model = tuple[Facts, list[Template], Tensors]

_READ: Final = 0.4  # share of the work, roughly
_MOST_LESSONS: Final = 200_000
_BETWEEN_REPORTS: Final = 500


def train(
    conversations: Iterable[JsonObject], folder: Path, report: Progress, *, seed: int, validation: Iterable[JsonObject]
) -> Trained:
    """Learn, and write the model's files (see ``Engine.train``)."""
    lessons = _read(conversations, report)
    asked = _read(validation, lambda *_, **__: None)
    # threads would change the order of sums, and with it the last digits
    with threadpool_limits(limits=1):
        curve, (facts, templates, tensors) = _learned(lessons, asked, seed, report)
    save(folder, facts, templates, tensors)
    report(1.0, "model written")
    parameters: JsonObject = {
        "base_model": NEAREST,
        "mode": facts.mode,
        "lessons": facts.lessons,
        "answers": facts.answers,
        "slots": slots_of(templates),
        "features": len(tensors["weights" if facts.mode == "compare" else "places"]),
        "seed": seed,
        "n_epochs": 1,
    }
    return Trained(steps=tuple(curve), tokens=lessons.tokens, examples=len(lessons), parameters=parameters)


def _read(conversations: Iterable[JsonObject], report: Progress) -> Lessons:
    lessons = Lessons()
    for number, line in enumerate(conversations, 1):
        for lesson in lessons_of(line):
            lessons.add(lesson)
        if len(lessons) > _MOST_LESSONS:
            raise RefusedError(f"local-nearest learns from {_MOST_LESSONS:,} answers at most", advice="use fewer lines")
        if number % _BETWEEN_REPORTS == 0:
            # how many there will be is not known: approach the share, never reach it
            report(_READ * number / (number + 4 * _BETWEEN_REPORTS), f"read {number:,} conversations")
    return lessons


def _learned(lessons: Lessons, asked: Lessons, seed: int, report: Progress) -> tuple[list[TrainingStep], Model]:
    """Learn, with a look at how well others are answered after growing shares of the lessons."""
    if not len(lessons):
        raise RefusedError(
            "there is no answer in text to learn from", advice="local-nearest learns from assistant messages with text"
        )
    if lessons.compare():
        from shared.llm.engines.compare_train import learned  # the encoder's libraries are no others' business

        return learned(lessons, asked, seed, report, begun=_READ)
    curve = _curve(lessons, asked, seed, report)
    part = lessons.part(np.arange(len(lessons)))
    facts, tensors = part.learn(closed=lessons.are_closed())
    return curve, (facts, part.templates, tensors)


def _curve(lessons: Lessons, asked: Lessons, seed: int, report: Progress) -> list[TrainingStep]:
    """Learn from growing shares of the lessons, and measure each time how well others are answered."""
    learned, held_out = parted(lessons, np.arange(len(lessons)), asked, seed)
    others = asked if len(asked) else lessons
    closed = lessons.are_closed()

    def measured(rows: Ints) -> tuple[float, float]:
        part = lessons.part(rows)
        facts, tensors = part.learn(closed=closed)
        model = NearestModel(facts, part.templates, _typed(tensors))
        guesses = [model.guess(others.features(row)) for row in held_out.tolist()]
        return measure(guesses, part.templates, others, held_out)

    return steps(learned, held_out, measured, report, begun=_READ)


def _typed(tensors: Tensors) -> Tensors:
    """Measure with the numbers that are written, not with finer ones."""
    return {name: t.astype(np.float32) if t.dtype == np.float64 else t for name, t in tensors.items()}
