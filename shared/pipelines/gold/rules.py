"""What a text of an answer may not be: blank, of several lines, with a forbidden term or with somebody's address.

No message repeats the text: only the term from our own list is named.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from shared.llm.wording import Terms, fold, looks_personal
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


def forbidden_terms(text: str) -> tuple[str, ...]:
    """Return the forbidden terms in a text, each once, in the order of the policy."""
    return _terms().found(text)


@lru_cache(maxsize=1)
def _terms() -> Terms:
    forbidden = policy().forbidden
    return Terms.of(forbidden.terms, forbidden.allowed)
