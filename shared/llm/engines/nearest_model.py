"""A trained ``local-nearest`` in memory, read and served with NumPy alone, without pickle.

``engine.json`` says what it is; ``answers.json`` has each different answer, with its slots; ``weights.safetensors`` has
the features that were seen (``places``, ascending; ``idf``), and either, for each feature, the lessons that have it
(``starts``, ``lessons``, ``values``; ``answers`` says what each lesson's answer is), or the weights of a classifier
over the answers (``weights``: features x answers; ``bias``). A model that compares texts is in ``compare_model.py``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from shared.errors import CorruptError
from shared.ids import canonical_json
from shared.llm.engines import LocalAnswer, LocalModel, LocalRequest
from shared.llm.engines.features import PLACES, Features, conversation_features
from shared.llm.engines.lessons import question_of
from shared.llm.engines.nearest_answers import Facts, Guess, Tensors, answered, shaped
from shared.llm.engines.slots import Template

FACTS_FILE: Final = "engine.json"
ANSWERS_FILE: Final = "answers.json"
WEIGHTS_FILE: Final = "weights.safetensors"

_NEIGHBOURS: Final = 8
_EXACT: Final = 0.9995  # as similar as this: the very question of a lesson
_SHARPNESS: Final = 8  # a neighbour's vote is its similarity to this power: the nearest decides, unless others agree
_MOST_VALUES: Final = 50_000  # looked at for one question; the features that say most come first
_MAX_BYTES: Final = 2 << 30

_TYPES: Final = {
    "places": "int32", "idf": "float32", "starts": "int64", "lessons": "int32", "values": "float32", "answers": "int32",
    "weights": "float32", "bias": "float32", "usual": "float32",
}  # fmt: skip
_SHARED: Final = {"places", "idf"}
_NAMES: Final = {
    "retrieve": _SHARED | {"starts", "lessons", "values", "answers"},
    "classify": _SHARED | {"weights", "bias"},
    "compare": {"weights", "bias", "usual"},
}
_TEMPLATES: Final = TypeAdapter(tuple[Template, ...])


class NearestModel:
    """Answers with what it was taught. Safe to call from several threads."""

    def __init__(self, facts: Facts, templates: Sequence[Template], tensors: Tensors) -> None:
        self._facts = facts
        self._templates = templates
        self._tensors = tensors
        self._never_seen = float(np.log1p(facts.lessons))

    @property
    def size(self) -> int:
        """Bytes in memory: the arrays, and about twice the texts."""
        texts = sum(len(part) if isinstance(part, str) else 500 for t in self._templates for part in t)
        return sum(tensor.nbytes for tensor in self._tensors.values()) + 2 * texts + 200 * len(self._templates)

    def complete(self, requests: Sequence[LocalRequest]) -> list[LocalAnswer]:
        """Answer each request. Raises RefusedError when no JSON fits a schema."""
        return [self._complete(request) for request in requests]

    def _complete(self, request: LocalRequest) -> LocalAnswer:
        messages = list(request.messages)
        guess = self.guess(conversation_features(messages))
        return answered(request, self._templates, guess, question_of(messages))

    def guess(self, features: Features) -> Guess:
        """Choose an answer."""
        columns, weights = self._vector(features)
        if self._facts.mode == "classify":
            return self._classify(columns, weights)
        return self._retrieve(columns, weights)

    def _vector(self, features: Features) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the known features of a question, as columns, with their weights; its length, all counted, is 1."""
        known: NDArray[Any] = self._tensors["places"]
        places = np.fromiter(features.keys(), dtype=np.int64, count=len(features))
        weights = np.fromiter(features.values(), dtype=np.float64, count=len(features))
        columns = np.minimum(np.searchsorted(known, places), max(len(known) - 1, 0))
        seen = known[columns] == places if len(known) else np.zeros(len(places), dtype=bool)
        rarity = np.full(len(places), self._never_seen)
        rarity[seen] = self._tensors["idf"][columns[seen]]
        weights *= rarity
        length = float(np.sqrt(weights @ weights))
        weights = weights[seen] / length if length > 0 else weights[seen]
        return columns[seen], weights

    def _classify(self, columns: NDArray[np.int64], weights: NDArray[np.float64]) -> Guess:
        scores = weights @ self._tensors["weights"].take(columns, axis=0) + self._tensors["bias"]
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        best = int(shares.argmax())
        return Guess(best, float(shares[best]), shares)

    def _retrieve(self, columns: NDArray[np.int64], weights: NDArray[np.float64]) -> Guess:
        similarity = self._similarities(columns, weights)
        count = min(_NEIGHBOURS, len(similarity))
        # by similarity, then by number: the same neighbours whatever the sorting does with equals
        nearest = np.argpartition(-similarity, count - 1)[:count] if count < len(similarity) else np.arange(count)
        nearest = nearest[np.lexsort((nearest, -similarity[nearest]))]
        top = float(similarity[nearest[0]])
        answers = self._tensors["answers"][nearest].tolist()
        if top >= _EXACT:
            return Guess(answers[0], 1.0)
        votes = (np.maximum(similarity[nearest], 0.0) ** _SHARPNESS).tolist()
        total = sum(votes)
        if total <= 0:
            return Guess(answers[0], 0.0)
        for_each: dict[int, float] = {}
        for answer, vote in zip(answers, votes, strict=True):
            for_each[answer] = for_each.get(answer, 0.0) + vote
        best = max(for_each, key=lambda answer: for_each[answer])  # the first of equals is the nearest one
        return Guess(best, min(top * for_each[best] / total, 1.0))

    def _similarities(self, columns: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the cosine of the question with each lesson."""
        starts, lessons, values = (self._tensors[name] for name in ("starts", "lessons", "values"))
        order = np.argsort(-weights, kind="stable")
        columns, weights = columns[order], weights[order]
        counts = starts[columns + 1] - starts[columns]
        used = max(int(np.searchsorted(np.cumsum(counts), _MOST_VALUES, side="right")), 1)
        columns, weights, counts = columns[:used], weights[:used], counts[:used]
        ends = np.cumsum(counts)
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts[columns] - (ends - counts), counts)
        products = values[places] * np.repeat(weights, counts)
        return np.bincount(lessons[places], weights=products, minlength=self._facts.lessons).astype(np.float64)


class UntaughtModel:
    """The base model before any training: answers in the right shape, and knows nothing."""

    size = 0

    def complete(self, requests: Sequence[LocalRequest]) -> list[LocalAnswer]:
        """Answer each request with the least that fits it. Raises RefusedError when no JSON fits a schema."""
        return [shaped(request, None, 0.0) for request in requests]


# --- files ----------------------------------------------------------------------------------------------------------


def save(folder: Path, facts: Facts, templates: Sequence[Template], tensors: Tensors) -> None:
    """Write a model's files. Equal models give equal bytes."""
    typed = {name: np.ascontiguousarray(tensors[name], dtype=_TYPES[name]) for name in sorted(tensors)}
    (folder / WEIGHTS_FILE).write_bytes(save_tensors(typed))
    (folder / ANSWERS_FILE).write_bytes(canonical_json(_TEMPLATES.dump_python(tuple(templates), mode="json")))
    (folder / FACTS_FILE).write_bytes(canonical_json(facts.model_dump(mode="json", exclude=_unused(facts))))


def _unused(facts: Facts) -> set[str]:
    """Return the facts that only a model that compares texts has: the others are written as they always were."""
    return set() if facts.mode == "compare" else {"fields", "symmetric", "encoder"}


def load(folder: Path) -> LocalModel:
    """Load a model. Raises CorruptError when the files are not one, and as ``minilm.encoder`` where it needs that."""
    try:
        facts = Facts.model_validate_json(_read(folder / FACTS_FILE))
        templates = _TEMPLATES.validate_json(_read(folder / ANSWERS_FILE))
        tensors: Tensors = load_tensors(_read(folder / WEIGHTS_FILE))
    except (ValueError, ValidationError, SafetensorError, OSError) as error:
        raise CorruptError(f"the folder holds no model of local-nearest ({type(error).__name__})") from error
    if not _is_whole(facts, templates, tensors):
        raise CorruptError("the parts of this model of local-nearest do not belong together")
    if facts.mode != "compare":
        return NearestModel(facts, templates, tensors)
    from shared.llm.engines.compare_model import ComparingModel

    return ComparingModel(facts, templates, tensors)


def _is_whole(facts: Facts, templates: Sequence[Template], tensors: Tensors) -> bool:
    if tensors.keys() != _NAMES[facts.mode] or any(str(t.dtype) != _TYPES[name] for name, t in tensors.items()):
        return False
    if facts.answers != len(templates) or not templates or not facts.lessons:
        return False
    if facts.mode == "compare":
        from shared.llm.engines.compare_model import is_whole

        return all(bool(np.isfinite(t).all()) for t in tensors.values()) and is_whole(facts, tensors)
    places = tensors["places"]
    width = len(places)
    fine = places.ndim == 1 and tensors["idf"].shape == (width,) and bool((np.diff(places) > 0).all())
    fine = fine and (width == 0 or (int(places[0]) >= 0 and int(places[-1]) < PLACES))
    fine = fine and all(bool(np.isfinite(t).all()) for t in tensors.values() if t.dtype == np.float32)
    if facts.mode == "classify":
        return fine and tensors["weights"].shape == (width, facts.answers) and tensors["bias"].shape == (facts.answers,)
    starts, lessons, answers = tensors["starts"], tensors["lessons"], tensors["answers"]
    return (
        fine
        and starts.shape == (width + 1,)
        and lessons.shape == tensors["values"].shape == (int(starts[-1]),)
        and int(starts[0]) == 0
        and bool((np.diff(starts) >= 0).all())
        and _all_below(lessons, facts.lessons)
        and answers.shape == (facts.lessons,)
        and _all_below(answers, facts.answers)
    )


def _all_below(numbers: NDArray[Any], limit: int) -> bool:
    return not len(numbers) or (int(numbers.min()) >= 0 and int(numbers.max()) < limit)


def _read(path: Path) -> bytes:
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path.name} is too large")
    return path.read_bytes()
