"""What is looked for in texts, whatever alphabet they are written in: forbidden terms, personal data, equal words.

Terms are found as whole words, whatever they are written like: letters are folded first (fullwidth and mathematical
letters, other alphabets' look-alikes, marks, invisible characters), and initials are joined (``B.I.``, ``K P I``).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

# --- personal data --------------------------------------------------------------------------------------------------

_EMAIL: Final = re.compile(r"[^\s@<>]+\s?@\s?[^\s@<>]+\.[^\W\d_]{2,}")
_NO_PHONE: Final = re.compile(r"(?<!\d)(?:\d{4}-\d{2}-\d{2}|\d{1,3}(?:[., ]\d{3})+)(?![\d-])")  # dates, and 1 000 000
_DIGITS: Final = re.compile(r"(?<![\w.=])[+(]?\d(?:[\s().-]{0,2}\d){6,}(?!\w)")


def looks_personal(text: str) -> bool:
    """Return whether a text has what looks like an e-mail address, a phone number or a card's number."""
    plain = unicodedata.normalize("NFKC", text)
    return bool(_EMAIL.search(plain) or _DIGITS.search(_NO_PHONE.sub(" ", plain)))


# --- forbidden terms ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Terms:
    """Terms that no text may hold; ``allowed`` are words that are none of them although a hyphen parts them."""

    _terms: tuple[tuple[str, tuple[str, ...]], ...]
    _allowed: tuple[str, ...]

    @classmethod
    def of(cls, terms: Iterable[str], allowed: Iterable[str] = ()) -> "Terms":
        """Return the terms, folded once for all texts."""
        folded = tuple((term, tuple(_words(fold(term)))) for term in terms)
        return cls(folded, tuple(fold(word) for word in allowed))

    def found(self, text: str) -> tuple[str, ...]:
        """Return the terms that a text has, each once, in their own order."""
        folded = fold(text)
        for word in self._allowed:
            folded = re.sub(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", " ", folded)
        readings = [_words(folded), _words(_HYPHENS.sub("", folded)), *_initials(folded, text)]
        return tuple(term for term, words in self._terms if any(_has(reading, words) for reading in readings))


_WORD: Final = re.compile(r"[^\W_]+")
_HYPHENS: Final = re.compile(r"(?<=\w)[-‐‑‒–—−](?=\w)")  # noqa: RUF001  (what people type as a hyphen)
_DOTTED: Final = re.compile(r"(?<![^\W_])[^\W\d_](?:[^\w\s]|_)(?:[^\W\d_](?:[^\w\s]|_))*[^\W\d_](?![^\W_])")
_ABBREVIATED: Final = re.compile(r"(?<![^\W_])(?:[^\W\d_]\.\s*){2,}")
_SPACED: Final = re.compile(r"(?<![^\W_])[^\W\d_](?:\s+[^\W\d_]){2,}(?![^\W_])")
_SPACED_PAIR: Final = re.compile(r"(?<![^\W_])[A-Z]\s+[A-Z](?![^\W_])")


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _initials(folded: str, text: str) -> Iterator[list[str]]:
    """Yield words that were written as single letters: ``b.i.``, ``b. i.``, ``k p i``, and ``B I`` in capitals."""
    for pattern in (_DOTTED, _ABBREVIATED, _SPACED):
        for found in pattern.finditer(folded):
            yield ["".join(_words(found[0].replace("_", " ")))]
    for found in _SPACED_PAIR.finditer(unicodedata.normalize("NFKC", text)):
        yield ["".join(found[0].split()).casefold()]


def _has(words: Sequence[str], term: Sequence[str]) -> bool:
    length = len(term)
    return any(tuple(words[at : at + length]) == term for at in range(len(words) - length + 1))


# --- agreement ------------------------------------------------------------------------------------------------------


def word_f1(said: str, truth: str) -> float:
    """Return the F1 of two texts' words, each as often as it stands there; case and look-alikes do not count."""
    mine, theirs = Counter(fold(said).split()), Counter(fold(truth).split())
    if not mine or not theirs:
        return float(mine == theirs)
    return 2 * (mine & theirs).total() / (mine.total() + theirs.total())


# --- folding --------------------------------------------------------------------------------------------------------


def fold(text: str) -> str:
    """Return a text as a reader sees it: compatible forms and look-alikes as plain small letters, nothing invisible."""
    compatible = unicodedata.normalize("NFKC", text).translate(_LOOK_ALIKES)
    parted = unicodedata.normalize("NFKD", compatible.casefold()).translate(_LOOK_ALIKES)
    return unicodedata.normalize("NFC", "".join(_seen(parted)))


def _seen(characters: Iterable[str]) -> Iterator[str]:
    """Leave out marks and what has no width; other control characters part words."""
    for character in characters:
        category = unicodedata.category(character)
        if category[0] == "M" or category == "Cf" or character in _BLANK_LETTERS:
            continue
        yield " " if category in {"Cc", "Zl", "Zp"} else character


_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_CYRILLIC_AND_GREEK: Final = str.maketrans(
    "авекмнорстухіїјѕԁԛԝһғьАВЕКМНОРСТУХІЇЈЅԚԜҺҒЬαβεικνορτυχγΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "abekmhopctyxiijsdqwhfbabekmhopctyxiijsqwhfbabeiknoptuxyabezhikmnoptyx",
)


def _small_capitals() -> dict[int, str]:
    """Map small capitals, and letters in circles or squares that no normal form resolves, to plain letters."""
    table = {}
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWYZ":
        try:
            table[ord(unicodedata.lookup(f"LATIN LETTER SMALL CAPITAL {letter}"))] = letter.lower()
        except KeyError:
            continue
    for first in (0x1F150, 0x1F170, 0x1F1E6):  # negative circled, negative squared, regional indicators
        table |= {first + place: chr(ord("a") + place) for place in range(26)}
    return table


_LOOK_ALIKES: Final = {**_CYRILLIC_AND_GREEK, **_small_capitals(), ord("ı"): "i", ord("ɑ"): "a"}  # noqa: RUF001
