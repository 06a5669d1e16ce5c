"""Personal data in texts that leave for a training file, a provider or an export: typed, consistent pseudonyms.

The texts of one question are taken together: the same address is the same pseudonym in all of them, so what it says
about their likeness stays, and no key or table could turn it back. What is found has a form of its own (addresses of
mail, web and streets, numbers of phones, cards and accounts, names behind a title or of several capitalised words). A
single name has none: nobody can tell it from any other word.
"""

import re
from collections.abc import Callable
from typing import Final

_NOT_NUMBERS: Final = re.compile(r"(?<!\d)(?:\d{4}-\d{2}-\d{2}|\d{1,3}(?:[., ]\d{3})+)(?![\d-])")  # dates, 1 000 000
_NUMBER: Final = re.compile(r"(?<![\w.=])[+(]?\d(?:[\s().-]{0,2}\d){6,}(?!\w)")
_FORMS: Final = (
    ("email", re.compile(r"[^\s@<>\"'()\[\]{},;:]{1,128}\s?@\s?[^\s@<>\"'()\[\]{},;:]{1,128}\.[^\W\d_]{2,24}")),
    ("url", re.compile(r"(?i)\b(?:https?://|www\.)[^\s<>\"']{1,512}")),
    ("handle", re.compile(r"(?<![\w@.])@[A-Za-z0-9_]{2,40}\b")),
    ("account", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")),
    (
        "address",
        re.compile(
            r"\b\d{1,5}[a-zA-Z]?\s+(?:[A-Z][\w'-]{1,30}\s+){1,3}"
            r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Way|Court|Ct|Square|Place|Terrace)\b\.?"
        ),
    ),
    (
        "person",
        re.compile(
            r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Sir|Herr|Frau|Mme|Mlle)\b\.?\s+[A-Z][\w'-]{0,40}(?:\s+[A-Z][\w'-]{1,40}){0,2}"
        ),
    ),
    (
        "name",
        re.compile(
            r"\b(?!(?:The|An|In|On|At|For|And|But|If|When|While|We|Our|They|This|That|It|Of|By|To|As|Is|Are)\b)"
            r"[A-ZÀ-ÖØ-Þ][a-zà-öø-ÿ'’-]+(?:\s+[A-ZÀ-ÖØ-Þ][a-zà-öø-ÿ'’-]+){1,3}\b"  # noqa: RUF001  (apostrophes)
        ),
    ),
)


def pseudonymised(*texts: str) -> tuple[str, ...]:
    """Return the texts with their personal data replaced, as ``[email 1]``; the same in all texts is the same there.

    Deterministic. A text without any comes back as it was.
    """
    names = _Names()
    for kind, form in _FORMS:
        texts = tuple(form.sub(names.of(kind), text) for text in texts)
    return tuple(_without_numbers(text, names.of("number")) for text in texts)


class _Names:
    """The pseudonyms of some texts, numbered by kind in the order in which they are met."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def of(self, kind: str) -> Callable[[re.Match[str]], str]:
        """Return what replaces a match of this kind."""

        def name(found: re.Match[str]) -> str:
            key = (kind, _plain(kind, found[0]))
            if key not in self._known:
                self._counts[kind] = self._counts.get(kind, 0) + 1
                self._known[key] = f"[{kind} {self._counts[kind]}]"
            return self._known[key]

        return name


def _plain(kind: str, text: str) -> str:
    """Return what makes two spellings the same: of a number its digits, of others their letters."""
    if kind == "number":
        return "".join(character for character in text if character.isdigit())
    return "".join(text.split()).casefold().rstrip(".")


def _without_numbers(text: str, name: Callable[[re.Match[str]], str]) -> str:
    """Replace numbers of phones and cards, and leave dates and figures with separators alone."""
    parts, at = [], 0
    for kept in _NOT_NUMBERS.finditer(text):
        parts += [_NUMBER.sub(name, text[at : kept.start()]), kept[0]]
        at = kept.end()
    return "".join([*parts, _NUMBER.sub(name, text[at:])])
