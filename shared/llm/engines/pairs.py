"""What there is to see in texts that are to be compared: questions whose JSON has a few texts and nothing else.

``{"a": "…", "b": "…"}`` asks how two texts stand to each other, whatever the fields are called. What counts then is not
which words they have but how well each word of one is met by a word of the other, in the sense that it has there: the
encoder's states of all tokens are compared (as BERTScore does, Zhang et al. 2020), weighted by how rare a word is in
English. Such figures mean the same whatever the texts are about, so what is learned holds for subjects that no lesson
was about; the texts' vectors themselves, or their differences, do not have that property.
"""

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from shared.llm.engines.minilm import Encoded

Texts = tuple[tuple[str, str], ...]
"""The fields of a question and their texts, in the order of the fields' names."""

_MOST_FIELDS: Final = 4
_FIRST_WORD: Final = 1_996
"""In the encoder's vocabulary signs and single letters come first, then words, the frequent ones before the rare."""
_FIRST_PIECE: Final = 971
_SIGNS: Final = 0.3  # weight of a sign or a letter, over that of a word at its place
_VOCABULARY: Final = 30_522
_FEW: Final = 3
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATION: Final = re.compile(
    r"\b(?:no|not|never|none|nobody|nothing|neither|nor|without|cannot)\b|n[\u2019']t\b", re.IGNORECASE
)
_FOR_EACH_LAYER: Final = 12
_FIGURES: Final = 2 * _FOR_EACH_LAYER + 18

Vector = NDArray[np.float32]


def texts_of(question: Any) -> Texts | None:
    """Return the texts that a question compares; None: it is no object of two to four texts and nothing else."""
    if not isinstance(question, dict) or not 2 <= len(question) <= _MOST_FIELDS:  # noqa: PLR2004
        return None
    if not all(isinstance(value, str) for value in question.values()):
        return None
    return tuple(sorted(question.items()))


def fields_of(texts: Texts) -> tuple[str, ...]:
    """Return the names of a question's fields."""
    return tuple(name for name, _ in texts)


def in_order(texts: Texts) -> bool:
    """Whether the texts stand in the order of the alphabet: if those of all lessons do, their order says nothing."""
    return all(one <= other for (_, one), (_, other) in pairwise(texts))


def width(fields: int) -> int:
    """Return how many figures there are for a question with so many texts."""
    return math.comb(fields, 2) * _FIGURES


def figures(texts: Texts, encoded: "Sequence[Encoded]", *, symmetric: bool) -> Vector:
    """Return the figures of a question: those of each two of its texts. ``symmetric``: whichever text comes first."""
    found = [_compared(texts[i][1], texts[j][1], encoded[i], encoded[j], symmetric=symmetric) for i, j in
             combinations(range(len(texts)), 2)]  # fmt: skip
    return np.concatenate(found)


def _compared(text: str, other_text: str, one: "Encoded", other: "Encoded", *, symmetric: bool) -> Vector:
    if symmetric and (len(one.tokens), text) < (len(other.tokens), other_text):  # the longer one first
        text, other_text, one, other = other_text, text, other, one
    mine, theirs = one.tokens[1:-1], other.tokens[1:-1]  # without the signs of begin and end
    if not len(mine) or not len(theirs):
        return np.zeros(_FIGURES, dtype=np.float32)
    weights, their_weights = _rarity()[mine], _rarity()[theirs]
    found: list[float] = []
    for states, their_states in ((one.middle, other.middle), (one.last, other.last)):
        found += _alignment(_unit(states[1:-1]) @ _unit(their_states[1:-1]).T, weights, their_weights)
    found += [float(one.vector @ other.vector), float((_unit(one.last[:1]) @ _unit(other.last[:1]).T)[0, 0])]
    found += [len(mine), len(theirs), len(mine) / len(theirs)]
    found += _shared_words(mine, theirs)
    for vector, states in ((one.vector, other.last), (other.vector, one.last)):
        near = _unit(states[1:-1]) @ vector
        found += [near.mean(), near.max(), near.min()]
    denied = bool(_NEGATION.search(text)) != bool(_NEGATION.search(other_text))
    found += [_other_numbers(text, other_text), float(denied), float(text == other_text)]
    return np.array(found, dtype=np.float32)


def _alignment(cosines: Vector, weights: Vector, their_weights: Vector) -> list[float]:
    """Say how well each token is met by the likest one of the other text: in the mean, at worst, at best."""
    met, theirs_met = cosines.max(axis=1), cosines.max(axis=0)
    mine, theirs = np.sort(met), np.sort(theirs_met)
    covered = float(met @ weights / weights.sum())
    they_covered = float(theirs_met @ their_weights / their_weights.sum())
    quarter = len(theirs) // 4
    return [
        covered, they_covered, 2 * covered * they_covered / max(covered + they_covered, 1e-6),
        mine.mean(), theirs.mean(), mine[0], theirs[0],
        theirs[:_FEW].mean(), theirs[-_FEW:].mean(), mine[-_FEW:].mean(), theirs[quarter], theirs[-1 - quarter],
    ]  # fmt: skip


def _shared_words(mine: NDArray[np.int64], theirs: NDArray[np.int64]) -> list[float]:
    """Return the share of words (pieces, strictly) that are in both: of all, and of each text by rarity."""
    one, other = np.unique(mine), np.unique(theirs)
    both = np.intersect1d(one, other, assume_unique=True)
    rarity = _rarity()
    weight = rarity[both].sum()
    return [
        len(both) / (len(one) + len(other) - len(both)), len(both) / len(other),
        weight / rarity[other].sum(), weight / rarity[one].sum(),
    ]  # fmt: skip


def _other_numbers(text: str, other: str) -> float:
    """Return the share of the numbers in either text that the other one does not have."""
    mine, theirs = set(_NUMBER.findall(text)), set(_NUMBER.findall(other))
    return len(mine ^ theirs) / max(len(mine | theirs), 1)


def _unit(states: Vector) -> Vector:
    unit: Vector = states / np.linalg.norm(states, axis=1, keepdims=True)
    return unit


@lru_cache(maxsize=1)
def _rarity() -> Vector:
    """Return a weight for each piece of the vocabulary, which is sorted by frequency: the logarithm of its place."""
    places = np.arange(_VOCABULARY)
    weights = np.log(np.maximum(places - _FIRST_PIECE + 1, 2))
    weights[:_FIRST_WORD] *= _SIGNS
    return weights.astype(np.float32)
