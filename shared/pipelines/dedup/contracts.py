"""The contracts of dedup's data: what a statement is, which ids things have, and how a person decides.

A statement is read once (``normalised``), and everything after it, ids included, rests on what comes out.
"""

import re
import unicodedata
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from shared.contracts import Contract
from shared.errors import InvalidInputError
from shared.ids import EXAMPLE, content_id
from shared.pipelines.dedup.policy import policy

NAME: Final = "dedup"
CLUSTERS: Final = "clusters"
"""The kind of review that asks about clusters."""
MERGES: Final = "merges"
"""The kind of review that asks about statements that a model has merged."""

INSIGHT: Final = "ins"
SOURCE: Final = "src"
CLUSTER: Final = "cl"

InsightId = Annotated[str, Field(pattern=r"^ins_[0-9a-f]{32}$")]
ClusterId = Annotated[str, Field(pattern=r"^cl_[0-9a-f]{32}$")]
PairLabel = Literal["merge", "separate"]

_WHITE: Final = re.compile(r"\s+")
# Cc: control characters; Cs: halves of surrogate pairs; Co, Cn: nobody knows what they mean. Format characters (Cf)
# stay: right-to-left writing, emoji and several scripts need some; pages isolate each statement (`<bdi>`).
_REFUSED: Final = frozenset({"Cc", "Cs", "Co", "Cn"})


def normalised(text: str, most: int) -> str:
    """Return a text in NFC with single spaces and none at its ends.

    Raises InvalidInputError, which quotes nothing, with a ``reason`` (``empty``, ``too-long`` or ``characters``).
    """
    plain = _WHITE.sub(" ", unicodedata.normalize("NFC", text)).strip()
    if not any(letter.isprintable() and not letter.isspace() for letter in plain):
        raise _refused("empty", "it has no text")
    if len(plain) > most:
        raise _refused("too-long", f"it has {len(plain):,} characters: {most:,} are the most")
    if any(unicodedata.category(letter) in _REFUSED for letter in plain):
        raise _refused("characters", "it has control characters, or some that no alphabet knows")
    return plain


def read_statement(text: str) -> str:
    """Return a statement as it is stored and compared. Raises InvalidInputError with a ``reason``."""
    return normalised(text, policy().ingest.max_statement_chars)


def insight_id(statement: str) -> str:
    """Return the id of a normalised statement: the same statement is the same insight, whoever says it."""
    return content_id(INSIGHT, statement)


def source_id(name: str) -> str:
    """Return the id of a source."""
    return content_id(SOURCE, name)


def pair_id(a: str, b: str) -> str:
    """Return the id of two insights as a labelled example, in whichever order they come."""
    return content_id(EXAMPLE, *sorted((a, b)))


class ClusterDecision(Contract):
    """What a person says of a cluster: all of it is one thing, a subset of it is, or no two are."""

    decision: Literal["approve", "partial", "reject"]
    subset: tuple[InsightId, ...] = Field(
        default=(), max_length=1_000, description="For `partial`: the insights that are one thing, two or more of them."
    )
    seen: tuple[InsightId, ...] = Field(
        default=(),
        max_length=1_000,
        description="All insights that the person saw. The decision is refused when others are in the cluster by now;"
        " empty: whatever is in it.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.decision == "partial") != bool(self.subset):
            raise ValueError("partial needs a subset, and approve and reject take none")
        if self.subset and len(set(self.subset)) < max(2, len(self.subset)):
            raise ValueError("subset must name two different insights or more")
        return self


class MergeDecision(Contract):
    """What a person says of a statement that a model merged: rightly (approve) or wrongly (reject)."""

    decision: Literal["approve", "reject"]


def _refused(reason: str, message: str) -> InvalidInputError:
    return InvalidInputError(message, advice="correct the text and send it again", reason=reason)
