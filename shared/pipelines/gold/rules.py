"""What a text of an answer may not be: blank, of several lines, with a forbidden term or with somebody's address.

Terms are refused as whole words, whatever they are written like: letters are folded first (fullwidth and mathematical
letters, other alphabets' look-alikes, marks, invisible characters), and initials are joined (``B.I.``, ``K P I``).
No message repeats the text: only the term from our own list is named.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from shared.pipelines.gold.contracts import FIELDS, MAX_TEXT_CHARS
from shared.pipelines.gold.policy import policy

TEXT_FIELDS: Final = FIELDS[:4]
REQUIRED: Final = FIELDS[:2]


class Broken(NamedTuple):
    """A rule that a text broke: the rule's stable name, the field, and a sentence that quotes nothing of the text."""

    rule: str
    field: str
    message: str


def check_texts(texts: Mapping[str, Any]) -> tuple[Broken, ...]:
    """Return what is wrong with an answer's or a draft's text fields, in the order of the fields.

    Rules: ``missing``, ``not-text``, ``too-long``, ``one-line``, ``one-thing``, ``bad-character``, ``forbidden-term``,
    ``personal-data``.
    """
    return tuple(broken for field in TEXT_FIELDS for broken in _check_field(field, texts.get(field)))


def _check_field(field: str, text: Any) -> Iterator[Broken]:
    if text is not None and not isinstance(text, str):
        yield Broken("not-text", field, f"{field} is not text")
        return
    if not text or not fold(text).strip():
        if field in REQUIRED:
            yield Broken("missing", field, f"{field} is missing")
        return
    if len(text) > MAX_TEXT_CHARS:
        yield Broken("too-long", field, f"{field} has {len(text):,} characters; {MAX_TEXT_CHARS} is the most")
        return
    if not _storable(text):
        yield Broken("bad-character", field, f"{field} has a character that is no text (NUL, or half a pair)")
        return
    yield from _check_shape(field, text)
    for term in forbidden_terms(text):
        yield Broken("forbidden-term", field, f"{field} has the forbidden term “{term}”")
    if looks_personal(text):
        yield Broken("personal-data", field, f"{field} has what looks like an e-mail address or a phone number")


def _storable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


# --- shape ----------------------------------------------------------------------------------------------------------

_LIST_ITEM: Final = re.compile(r"(?:^|\s)(?:[-*•]|\(?\d{1,2}[.)]|\(?[a-c]\))\s+\S")
_SECOND_ITEM: Final = re.compile(r"\s\(?(?:2[.)]|b\))\s+\S", re.IGNORECASE)


def _check_shape(field: str, text: str) -> Iterator[Broken]:
    if len(text.strip().splitlines()) > 1:
        yield Broken("one-line", field, f"{field} has several lines; write one sentence")
    elif field in REQUIRED and is_list(text):
        yield Broken("one-thing", field, f"{field} is a list; name one {field}")


def is_list(text: str) -> bool:
    """Return whether a text lists several things (``1. … 2. …``, ``(a) … (b) …``, ``- …``)."""
    marks = _LIST_ITEM.match(text.strip())
    return bool(marks and (_SECOND_ITEM.search(text) or text.strip()[0] in "-*•"))


# --- personal data --------------------------------------------------------------------------------------------------

_EMAIL: Final = re.compile(r"[^\s@<>]+\s?@\s?[^\s@<>]+\.[^\W\d_]{2,}")
_NO_PHONE: Final = re.compile(r"(?<!\d)(?:\d{4}-\d{2}-\d{2}|\d{1,3}(?:[., ]\d{3})+)(?![\d-])")  # dates, and 1 000 000
_DIGITS: Final = re.compile(r"(?<![\w.=])[+(]?\d(?:[\s().-]{0,2}\d){6,}(?!\w)")


def looks_personal(text: str) -> bool:
    """Return whether a text has what looks like an e-mail address, a phone number or a card's number."""
    plain = unicodedata.normalize("NFKC", text)
    return bool(_EMAIL.search(plain) or _DIGITS.search(_NO_PHONE.sub(" ", plain)))


# --- forbidden terms ------------------------------------------------------------------------------------------------


def forbidden_terms(text: str) -> tuple[str, ...]:
    """Return the forbidden terms in a text, each once, in the order of the policy."""
    terms, allowed = _terms()
    folded = fold(text)
    for word in allowed:
        folded = re.sub(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", " ", folded)
    readings = [_words(folded), _words(_HYPHENS.sub("", folded)), *_initials(folded, text)]
    return tuple(term for term, words in terms if any(_has(reading, words) for reading in readings))


@lru_cache(maxsize=1)
def _terms() -> tuple[tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...]]:
    forbidden = policy().forbidden
    return (
        tuple((term, tuple(_words(fold(term)))) for term in forbidden.terms),
        tuple(fold(word) for word in forbidden.allowed),
    )


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
