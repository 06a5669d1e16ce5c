"""A trained ``local-nearest`` that compares texts (``pairs.py``), in memory: served with NumPy and the encoder.

``weights.safetensors`` has the classifier (``weights``: figures x answers; ``bias``) and how often each answer was seen
(``usual``, as logarithms): a question that compares nothing gets the usual one.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.errors import CorruptError
from shared.llm.engines import LocalAnswer, LocalRequest, minilm
from shared.llm.engines.lessons import question_of
from shared.llm.engines.minilm import Encoded, Encoder
from shared.llm.engines.nearest_answers import Facts, Guess, Tensors, answered
from shared.llm.engines.pairs import Texts, figures, texts_of, width
from shared.llm.engines.slots import Template

_REMEMBERED: Final = 256  # texts: one is often compared with several others, in turn


class ComparingModel:
    """Answers questions about texts. Safe to call from several threads."""

    def __init__(self, facts: Facts, templates: Sequence[Template], tensors: Tensors) -> None:
        self._facts = facts
        self._templates = templates
        self._tensors = tensors
        self._encoder = _Memory(minilm.encoder())

    @property
    def size(self) -> int:
        """Bytes in memory, besides the encoder, which all models share."""
        return sum(tensor.nbytes for tensor in self._tensors.values()) + 200 * len(self._templates)

    def complete(self, requests: Sequence[LocalRequest]) -> list[LocalAnswer]:
        """Answer each request. Raises RefusedError when no JSON fits a schema."""
        asked = [question_of(list(request.messages)) for request in requests]
        guesses = self.guess([self._texts(question) for question in asked])
        return [
            answered(request, self._templates, guess, question)
            for request, guess, question in zip(requests, guesses, asked, strict=True)
        ]

    def guess(self, questions: Sequence[Texts | None]) -> list[Guess]:
        """Choose an answer to each question; None: it compares nothing."""
        encoded = self._encoder.encode([text for question in questions for _, text in question or ()])
        return [self._guess(question, encoded) for question in questions]

    def _texts(self, question: Any) -> Texts | None:
        texts = texts_of(question)
        return texts if texts and tuple(name for name, _ in texts) == self._facts.fields else None

    def _guess(self, question: Texts | None, encoded: dict[str, Encoded]) -> Guess:
        scores: NDArray[Any] = self._tensors["usual"].astype(np.float64)
        if question is not None:
            parts = [encoded[text] for _, text in question]
            seen = figures(question, parts, symmetric=self._facts.symmetric)
            scores = seen.astype(np.float64) @ self._tensors["weights"] + self._tensors["bias"]
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        best = int(shares.argmax())
        return Guess(best, float(shares[best]), shares)


class _Memory:
    """The encoder, with the texts that it has just seen."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: OrderedDict[str, Encoded] = OrderedDict()
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> dict[str, Encoded]:
        with self._lock:
            found = {text: self._known[text] for text in texts if text in self._known}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        found |= zip(missing, self._encoder.encode(missing), strict=True)
        with self._lock:
            for text in found:
                self._known[text] = found[text]
                self._known.move_to_end(text)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found


def is_whole(facts: Facts, tensors: Tensors) -> bool:
    """Whether the parts of such a model belong together. Raises CorruptError for an encoder that is not here."""
    if facts.encoder != minilm.ENCODER:
        raise CorruptError("this model was trained with another encoder", advice="train it again")
    rows = width(len(facts.fields))
    shapes = {"weights": (rows, facts.answers), "bias": (facts.answers,), "usual": (facts.answers,)}
    return all(tensors[name].shape == shape for name, shape in shapes.items())
