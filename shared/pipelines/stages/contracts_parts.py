"""The words and small shapes that the contracts of more than one stage share. All are closed: no free text comes in."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from shared.contracts import Contract

MAX_SENTENCE_CHARS: Final = 300
MAX_EVIDENCE: Final = 6
MAX_EVIDENCE_CHARS: Final = 200

_NO_CONTROL: Final = r"[^\x00-\x1f\x7f\x85\u2028\u2029]"
_SEEN: Final = r"[^\s\x00-\x1f\x7f\x85\u2028\u2029]"

Size = Literal["solo", "2-5", "6-15", "16-50", "over-50"]
"""People at work, the owner included."""
Revenue = Literal["under-100k", "100k-500k", "500k-2m", "2m-10m", "over-10m"]
"""Of a year, in the business's own currency. The lower end belongs to the band."""
Season = Literal["peak", "usual", "quiet"]
"""What the months looked at are in this business's year."""
Age = Literal["under-2", "2-5", "6-15", "over-15"]
"""Years in business."""

Confidence = Literal["low", "medium", "high"]
Level3 = Literal["low", "medium", "high"]
Area = Literal["quotes", "invoices", "jobs", "money", "capacity"]
"""A part of the figures that a business may or may not have."""
Role = Literal["delivery", "sales", "office", "finance", "people", "planning"]
"""A job in the business that somebody does, very often the owner."""
Rival = Literal["a", "b", "c", "d", "e", "f", "g", "h"]
"""A competitor. Who it is stays with the owner: names are personal data in a trade of one-person firms."""
Factor = Literal[
    "price", "speed", "reliability", "range", "specialisation", "communication", "guarantee", "convenience",
    "after_care", "reputation",
]  # fmt: skip
"""Something that clients compare firms by."""

Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
Percent = Annotated[int, Field(strict=True, ge=0, le=100)]
Days = Annotated[int, Field(strict=True, ge=0, le=366)]
Hours = Annotated[int, Field(strict=True, ge=0, le=168)]
Grade = Annotated[int, Field(strict=True, ge=0, le=5)]
"""How much of a factor is offered: 0 is nothing, 5 is the most that anybody offers."""
Flag = Annotated[bool, Field(strict=True)]

Sentence = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=MAX_SENTENCE_CHARS, pattern=f"^{_NO_CONTROL}*{_SEEN}{_NO_CONTROL}*$"),
]
"""Free text of an answer: one line."""
Entry = Annotated[
    str,
    Field(strict=True, max_length=MAX_EVIDENCE_CHARS, pattern=f"^[a-z][a-z0-9_.]*={_NO_CONTROL}+$"),
]


def _no_twins(entries: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(entries)) < len(entries):
        raise ValueError("has the same entry twice")
    return entries


Evidence = Annotated[
    tuple[Entry, ...],
    Field(
        min_length=1, max_length=MAX_EVIDENCE, description="Entries `<path>=<value>`, exactly as the input has them."
    ),
    AfterValidator(_no_twins),
]

TEXTS: Final = frozenset(
    {"action", "boundary", "done_when", "meaning", "not_now", "statement", "summary", "tagline", "trial"}
)
"""The names of all fields that hold a ``Sentence``; what else an answer has are words of a closed list, and numbers."""


class Company(Contract):
    """What every stage is told of the business: bands only. The industry is a tag of the row, not part of it."""

    size: Size
    revenue: Revenue
    season: Season
    age: Age
