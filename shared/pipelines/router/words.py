"""Words of a query, read once and remembered: what each adds to the features.

A query is read one whitespace-separated chunk at a time. That splits the full stop off the end of every sentence
(NLTK's tokenizer does so only at the end of its text), and it makes chunks cacheable: text repeats its words, so most
of a query is looked up, not computed.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple, Protocol
from zlib import crc32

import numpy as np
from nltk.stem.snowball import EnglishStemmer
from nltk.tokenize.destructive import NLTKWordTokenizer
from numpy.typing import NDArray

from shared.pipelines.router.lexicon import CATEGORIES, categories_of

Ints = NDArray[np.int64]

GRAM_SIZES: Final = (3, 4, 5)
# Chunks that are remembered. Longer ones (a key, a wall of base64) hardly come twice: read anew, they cost no memory.
_CACHED_CHUNKS: Final = 16_384
_LONGEST_CACHED: Final = 48
_LONG_WORD: Final = 8
_BIG_NUMBER: Final = 4  # digits

_NUMBER: Final = re.compile(r"[+-]?\d+(?:[.,/:]\d+)*(?:st|nd|rd|th|s|k|m)?", re.IGNORECASE)
_DIGIT: Final = re.compile(r"\d")
_CODE: Final = re.compile(r"[_{}<>=;\\|^~]|\w\.\w+\(|\(\)|::|//|->")
_SENTENCE_END: Final = re.compile(r"[.?!]+[\"')\]]*\Z")
_ABBREVIATIONS: Final = frozenset({"mr.", "mrs.", "ms.", "dr.", "st.", "vs.", "e.g.", "i.e.", "etc.", "no."})
_NEGATION: Final = "n't"

_TOKEN_COUNTS: Final = (
    "tokens", "words", "long_words", "capitals", "hyphens", "numbers", "one", "decimals", "fractions", "ordinals",
    "big_numbers", "punctuation", "percents", "money", "commas", "questions", "brackets", "quotes", "code",
)  # fmt: skip
COUNTS: Final[tuple[str, ...]] = (*CATEGORIES, *_TOKEN_COUNTS)
"""What is counted in each chunk, by name. A chunk holds places in this tuple."""

PLACE: Final = {name: place for place, name in enumerate(COUNTS)}
_PUNCTUATION: Final = {
    "%": "percents", "$": "money", "€": "money", "£": "money", ",": "commas", "?": "questions", "(": "brackets",
    ")": "brackets", "[": "brackets", "]": "brackets", "``": "quotes", "''": "quotes", '"': "quotes",
}  # fmt: skip


class Annotator(Protocol):
    """Counts more about words than their letters tell (part of speech, WordNet)."""

    @property
    def names(self) -> Sequence[str]:
        """What is counted."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of the data behind it: other data, other counts."""
        ...

    def places(self, word: str) -> Sequence[int]:
        """Return the places in ``names`` that one word counts for, whatever stands around it."""
        ...


class Chunk(NamedTuple):
    """What one chunk adds to a query."""

    counts: Ints
    """Places in ``COUNTS``, then in the annotators' names, once for each time it counts."""
    terms: Ints
    """The hashes of its tokens' stems; numbers by kind, not value."""
    grams: Ints
    """The hashes of its character n-grams; every digit as 0."""
    numbers: tuple[str, ...]
    number_words: int
    closes: bool
    """Whether a sentence ends here."""


class Reader:
    """Reads chunks, remembering them. Safe to use from several threads."""

    def __init__(self, annotators: Sequence[Annotator] = ()) -> None:
        self._annotators = annotators
        self._tokenizer = NLTKWordTokenizer()
        self._stemmer = EnglishStemmer()
        self._remembered = lru_cache(maxsize=_CACHED_CHUNKS)(self._read)

    def read(self, query: str) -> list[Chunk]:
        """Return the chunks of a query, in order."""
        remembered, read = self._remembered, self._read
        return [remembered(text) if len(text) <= _LONGEST_CACHED else read(text) for text in query.split()]

    def _read(self, text: str) -> Chunk:
        lower = text.lower()
        names: list[str] = ["code"] if _CODE.search(text) else []
        categories: list[int] = []
        terms: list[str] = []
        numbers: list[str] = []
        for token in self._tokenizer.tokenize(text):
            names.append("tokens")
            if _NUMBER.fullmatch(token):
                numbers.append(token)
                terms.append(_read_number(token, names))
            elif token[0].isalpha() or token == _NEGATION:
                terms.append(self._read_word(token, names, categories))
            else:
                names += ("punctuation", _PUNCTUATION[token]) if token in _PUNCTUATION else ("punctuation",)
                terms.append(token)
        places = [PLACE[name] for name in names] + categories
        return Chunk(
            counts=np.array(places, dtype=np.int64),
            terms=_hashes(terms),
            grams=_hashes(_grams(lower)),
            numbers=tuple(numbers),
            number_words=categories.count(PLACE["number_word"]),
            closes=_SENTENCE_END.search(text) is not None and lower not in _ABBREVIATIONS,
        )

    def _read_word(self, token: str, names: list[str], places: list[int]) -> str:
        lower = token.lower()
        names.append("words")
        if len(token) >= _LONG_WORD:
            names.append("long_words")
        if token[0].isupper():
            names.append("capitals")
        if "-" in token:
            names.append("hyphens")
        places += categories_of(lower)
        start = len(COUNTS)
        for annotator in self._annotators:
            places += [start + place for place in annotator.places(lower)]
            start += len(annotator.names)
        return lower if len(lower) > _LONGEST_CACHED else str(self._stemmer.stem(lower))


def _read_number(number: str, names: list[str]) -> str:
    """Count a number and return the term that stands for its kind."""
    names.append("numbers")
    if number == "1":
        names.append("one")
        return "#1"
    if "/" in number:
        kind = "fractions"
    elif "." in number:
        kind = "decimals"
    elif number[-1].isalpha():
        kind = "ordinals"
    elif len(number) >= _BIG_NUMBER:
        kind = "big_numbers"
    else:
        return "#"
    names.append(kind)
    return f"#{kind}"


def _grams(lower: str) -> list[str]:
    text = f" {_DIGIT.sub('0', lower)} "
    return [text[start : start + size] for size in GRAM_SIZES for start in range(len(text) - size + 1)]


def _hashes(texts: Sequence[str]) -> Ints:
    # lone surrogates cannot come from a checked query; a hash must not fail on one all the same
    return np.array([crc32(text.encode("utf-8", "surrogatepass")) for text in texts], dtype=np.int64)
