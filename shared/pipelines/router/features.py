"""The features of a query: one module for training and for serving, so that both compute the same.

A query becomes a sparse row: places in one long vector, and their values.

=========== ============================================== =========
group       what                                           places
=========== ============================================== =========
``surface`` counts and shape of the text, each in two      2 each
            bounded forms: log(1 + x) and x / (x + 16)
``words``   stems and pairs of neighbouring stems, hashed  16,384 + 32,768
``chars``   n-grams of 3 to 5 characters, hashed           16,384
``pos``     parts of speech (optional, needs NLTK data)    2 each
``wordnet`` WordNet's categories (optional, likewise)      2 each
=========== ============================================== =========

Hashing needs no vocabulary, so a model is weights only and can be trained on any number of rows in one pass.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.contracts import Contract
from shared.errors import RefusedError
from shared.ids import canonical_json
from shared.pipelines.router.lexicon import LEXICON
from shared.pipelines.router.linguistics import OPTIONAL, annotator
from shared.pipelines.router.words import COUNTS, GRAM_SIZES, PLACE, Chunk, Ints, Reader

Floats = NDArray[np.float64]

VERSION: Final = 1
BASE_GROUPS: Final = ("surface", "words", "chars")

_SHAPE: Final = (
    "characters", "sentences", "longest_sentence", "first_sentence", "last_sentence", "distinct_terms",
    "distinct_numbers", "repeated_numbers", "quantities", "quantities_per_sentence", "sentences_with_numbers",
    "most_numbers_in_sentence", "numbers_in_first", "numbers_in_last", "characters_per_token", "terms_per_token",
)  # fmt: skip
_SATURATION: Final = 16.0  # x / (x + 16): tells ordinary counts apart, and no wall of text outweighs everything
_PROBES: Final = (
    "What is the capital of France?",
    "Tom had 3/4 of a pizza and $12.50; he didn't eat 20% of it. How many slices are left, if each costs $2?",
    'Mr. Li can\'t "prove" x_1 = f(y) -> z [see 2nd draft, 1,000 words]... Why?!',
    "Entwirf ein verteiltes System, mit höchstens 10k Anfragen/s. 设计一个系统。",
)


@dataclass(frozen=True, kw_only=True)
class _Hashed:
    """A group of hashed features: how many places (a power of two), and the weight of the group in a row."""

    buckets: int
    scale: float


_WORDS: Final = _Hashed(buckets=1 << 14, scale=3.0)
_PAIRS: Final = _Hashed(buckets=1 << 15, scale=2.0)
_CHARS: Final = _Hashed(buckets=1 << 14, scale=1.0)


class FeatureRow(NamedTuple):
    """A query's features: places (int64) and values (float64) of equal length. A place may come more than once."""

    places: Ints
    values: Floats


class FeatureSpec(Contract):
    """Which features a model was trained on. Equal hashes mean that the very same numbers come out."""

    version: int
    groups: tuple[str, ...]
    sha256: str


class Features:
    """Computes the features of queries for some groups. Safe to use from several threads."""

    def __init__(self, optional: Sequence[str] = ()) -> None:
        """Raise ``RefusedError`` when an optional group's NLTK data are not installed here."""
        annotators = [annotator(group) for group in optional]
        self._groups = (*BASE_GROUPS, *optional)
        self._reader = Reader(annotators)
        self._counted = len(COUNTS) + sum(len(a.names) for a in annotators)
        self.names = (*COUNTS, *(name for a in annotators for name in a.names), *_SHAPE)
        """The dense features, each with two places: its own, and that plus ``len(names)``."""
        self.dense = 2 * len(self.names)
        self.size = self.dense + _WORDS.buckets + _PAIRS.buckets + _CHARS.buckets
        self._dense_places = np.arange(self.dense)
        self.spec = FeatureSpec(
            version=VERSION, groups=self._groups, sha256=self._hash([a.fingerprint for a in annotators])
        )

    def row(self, query: str) -> FeatureRow:
        """Compute the features of one query."""
        chunks = self._reader.read(query)
        raw = self._raw(query, chunks)
        terms = _joined([chunk.terms for chunk in chunks])
        grams = _joined([chunk.grams for chunk in chunks])
        start = self.dense
        parts = [(self._dense_places, np.concatenate((np.log1p(raw), raw / (raw + _SATURATION))))]
        pairs = terms[:-1] * 1_000_003 + terms[1:] * 7_919
        for hashes, group in ((terms, _WORDS), (pairs, _PAIRS), (grams, _CHARS)):
            weight = group.scale / max(1, len(hashes)) ** 0.5
            parts.append((start + (hashes & (group.buckets - 1)), np.full(len(hashes), weight)))
            start += group.buckets
        return FeatureRow(
            np.concatenate([places for places, _ in parts]), np.concatenate([values for _, values in parts])
        )

    def _raw(self, query: str, chunks: Sequence[Chunk]) -> Floats:
        counts = np.bincount(_joined([chunk.counts for chunk in chunks]), minlength=self._counted)
        return np.concatenate((counts, _shape(query, chunks, int(counts[PLACE["tokens"]]))))

    def _hash(self, fingerprints: Sequence[str]) -> str:
        """Hash all that decides the numbers: the definitions, and what this machine's libraries make of the probes.

        Of the probes only counts, quotients and hashes of text count, which are exact on any machine.
        """
        digest = hashlib.sha256()
        hashed = [asdict(group) for group in (_WORDS, _PAIRS, _CHARS)]
        digest.update(
            canonical_json([VERSION, self._groups, self.names, hashed, GRAM_SIZES, dict(LEXICON), fingerprints])
        )
        for probe in _PROBES:
            chunks = self._reader.read(probe)
            digest.update(self._raw(probe, chunks).astype("<f8").tobytes())
            for chunk in chunks:
                digest.update(chunk.terms.astype("<i8").tobytes())
                digest.update(chunk.grams.astype("<i8").tobytes())
        return digest.hexdigest()


def installed_features() -> Features:
    """Return the features with every optional group whose NLTK data are installed on this machine."""
    available = []
    for group in OPTIONAL:
        try:
            annotator(group)
        except RefusedError:
            continue
        available.append(group)
    return Features(available)


def features_for(spec: FeatureSpec) -> Features:
    """Return the very features that a model was trained on.

    Raises ``RefusedError`` when this process cannot compute them exactly.
    """
    optional = [group for group in spec.groups if group not in BASE_GROUPS]
    features = Features(optional) if spec.version == VERSION and set(optional) <= set(OPTIONAL) else None
    if features is None or features.spec != spec:
        raise RefusedError(
            f"the model needs features version {spec.version} ({', '.join(spec.groups)}; {spec.sha256[:12]}), "
            "and this process computes others",
            advice="run the release that trained the model, with the same NLTK data, or train the model again",
        )
    return features


def _joined(arrays: Sequence[Ints]) -> Ints:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=np.int64)


def _shape(query: str, chunks: Sequence[Chunk], tokens: int) -> list[float]:
    """Return the values of ``_SHAPE``: lengths in tokens, numbers and number words as quantities."""
    lengths, quantities = _sentences(chunks)
    numbers = [number for chunk in chunks for number in chunk.numbers]
    distinct_numbers = len(set(numbers))
    distinct_terms = len({term for chunk in chunks for term in chunk.terms.tolist()})
    total = sum(quantities)
    return [
        len(query), len(lengths), max(lengths), lengths[0], lengths[-1], distinct_terms,
        distinct_numbers, len(numbers) - distinct_numbers, total, total / len(lengths),
        sum(quantity > 0 for quantity in quantities), max(quantities), quantities[0], quantities[-1],
        len(query) / max(1, tokens), distinct_terms / max(1, tokens),
    ]  # fmt: skip


def _sentences(chunks: Sequence[Chunk]) -> tuple[list[int], list[int]]:
    """Return the tokens and the quantities of each sentence; there is at least one."""
    lengths, quantities = [0], [0]
    closed = False
    for chunk in chunks:
        if closed:
            lengths.append(0)
            quantities.append(0)
        lengths[-1] += len(chunk.terms)
        quantities[-1] += len(chunk.numbers) + chunk.number_words
        closed = chunk.closes
    return lengths, quantities
