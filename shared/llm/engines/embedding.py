"""``local-embedding``: vectors of texts by hashed features. Texts that share words are near to each other.

Nothing is learned, so a vector is the same for ever: each feature of a text adds to, or takes from, a few dimensions
that its hash chooses (random indexing), rarer repetitions count less, and the length is 1. It knows no synonyms.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.llm.engines.features import text_features

DIMENSIONS: Final = 256
MAX_DIMENSIONS: Final = 4_096

_SPREAD: Final = 4  # dimensions that a feature touches: two features seldom share them all
_STIR: Final = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: neighbouring places become unlike numbers
_SHIFT: Final = np.uint64(29)


def embed(texts: Sequence[str], dimensions: int = DIMENSIONS) -> list[NDArray[np.float32]]:
    """Return a vector (little-endian float32, length 1) for each text; a text without a word points to dimension 0."""
    return [_vector(text, dimensions) for text in texts]


def _vector(text: str, dimensions: int) -> NDArray[np.float32]:
    features = text_features(text)
    places = np.fromiter(features.keys(), dtype=np.uint64, count=len(features))
    weights = np.log1p(np.fromiter(features.values(), dtype=np.float64, count=len(features)))
    sums = np.zeros(dimensions)
    for turn in range(_SPREAD):
        stirred = (places + np.uint64(1 + turn)) * _STIR
        stirred ^= stirred >> _SHIFT
        stirred *= _STIR
        sign = np.where(stirred >> np.uint64(63), 1.0, -1.0)
        chosen = ((stirred >> np.uint64(16)) % np.uint64(dimensions)).astype(np.int64)
        sums += np.bincount(chosen, weights=weights * sign, minlength=dimensions)
    length = float(np.sqrt(sums @ sums))
    if length == 0:
        sums[0] = length = 1.0
    return (sums / length).astype("<f4")
