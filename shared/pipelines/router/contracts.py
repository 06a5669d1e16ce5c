"""What the router takes and gives: a query, its difficulty, and the labels that people put on queries."""

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import Field

from shared.contracts import Contract
from shared.errors import InvalidInputError
from shared.ids import EXAMPLE, content_id

NAME: Final = "router"
MAX_QUERY_CHARS: Final = 10_000

Label = Literal["EASY", "MEDIUM", "HARD"]
"""What a person can say of a query."""

LABELS: Final[tuple[Label, ...]] = ("EASY", "MEDIUM", "HARD")
"""In the order of the model's classes, from least to most."""


class Difficulty(StrEnum):
    """What the router answers: a label, or that it is not sure enough."""

    EASY = "EASY"
    MEDIUM = "MEDIUM"
    HARD = "HARD"
    UNCERTAIN = "UNCERTAIN"


class Prediction(Contract):
    """The router's output: the difficulty, and the calibrated probability of each label (they sum to 1)."""

    difficulty: Difficulty
    probabilities: dict[Label, float] = Field(default_factory=dict)


class _Essence(dict[int, str | None]):
    """Keeps letters (with their marks), turns digits into 0 and drops all else. Learns as it is asked."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        if character.isalpha() or unicodedata.category(character).startswith("M"):
            kept: str | None = character
        else:
            kept = "0" if character.isnumeric() else None
        self[code] = kept
        return kept


_ESSENCE = _Essence()
# the same for plain ASCII, lower case included, where bytes are many times as fast: an import does this for every row
_ASCII_ESSENCE = bytes(ord(_ESSENCE[code] or " ") for code in range(128)).lower().ljust(256)
_ASCII_DROPPED = bytes(code for code in range(128) if _ESSENCE[code] is None)
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def check_query(query: Any) -> str:
    """Return the query if it is one: text of 1 to 10,000 characters, not blank, that PostgreSQL can store.

    Raises ``InvalidInputError`` with the reason; the query itself is never part of the message.
    """
    if not isinstance(query, str):
        raise InvalidInputError("the query is not text")
    if len(query) > MAX_QUERY_CHARS:
        raise InvalidInputError(f"the query has {len(query):,} characters; {MAX_QUERY_CHARS:,} is the most")
    if not query or query.isspace():
        raise InvalidInputError("the query is empty")
    if "\x00" in query:
        raise InvalidInputError("the query has a NUL character")
    if not query.isascii() and _SURROGATE.search(query):
        raise InvalidInputError("the query is not valid Unicode (a lone surrogate)")
    return query


def parse_query(raw: Any) -> str:
    """Read a query from the JSON of a row or a call: the text itself, or an object with ``query``."""
    return check_query(raw.get("query") if isinstance(raw, Mapping) else raw)


def parse_label(raw: Any) -> Label:
    """Read a label in any case. Raises ``InvalidInputError`` for anything but EASY, MEDIUM or HARD."""
    text = raw.strip().upper() if isinstance(raw, str) else raw
    for label in LABELS:
        if text == label:
            return label
    raise InvalidInputError("the label is not EASY, MEDIUM or HARD")


def group_of(query: str) -> str:
    """Return the key that near-identical queries share, so that one split holds them all.

    Case, punctuation, spacing and the values of numbers do not count: a template filled with other numbers is
    the same question, and seeing it in training would give the answer away.
    """
    if query.isascii():
        text = query.encode().translate(_ASCII_ESSENCE, _ASCII_DROPPED).decode()
    else:
        text = unicodedata.normalize("NFKC", query).casefold().translate(_ESSENCE)
    while "00" in text:
        text = text.replace("00", "0")
    return content_id("g", text or query)


def example_id(query: str, label: Label, query_id: str | None = None) -> str:
    """Derive a labelled example's id from its content: the same row has the same id on any machine."""
    return content_id(EXAMPLE, NAME, query, label, query_id or "")
