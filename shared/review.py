"""The word for what people decide about items of a pipeline, one by one: a cluster of insights, a picture.

A pipeline names its reviews in ``Pipeline.reviews``; the loop (``shared/loop/review.py``) hands out items, keeps the
responses and lets the pipeline derive its truth from those that stand.

How to write one:

* ``waiting`` walks along an index of what waits, the most uncertain first, with a LIMIT, and composes the loop's own
  condition: ``WHERE state = 'open' AND {reviews.open_for("c.id")}`` (``shared/db/reviews.py`` says which parameters it
  takes). Nothing is sorted, and what is decided leaves the index (by a state of the pipeline's own that ``settle``
  keeps), so that the next item costs the same however many wait, or were decided.
* ``count`` counts the same items for nobody in particular: ``{reviews.open_for_all("c.id")}``, never beyond its cap.
* ``open_among`` says which of some items still wait by the pipeline's own state: the loop asks it about items that were
  assigned to a person, or skipped by one.
* ``settle`` is given all responses that stand, so undoing needs nothing else; it must be idempotent.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from pydantic import BaseModel

from shared.contracts import JsonObject


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something to decide on, as a person sees it before deciding: blind, so without any score or prediction."""

    id: str
    content: JsonObject
    assigned_to: str | None = None
    """Whom it is assigned to, where it is. Written by the loop: a pipeline leaves it out."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """One person's standing response about one item. ``decision`` is of the review's contract, as JSON."""

    id: str
    reviewer: str
    decision: JsonObject
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with a decision that is still being written: where, and why. It never quotes what was written."""

    field: str
    """The decision's field, with dots into it: ``evidence.0.metric``; empty for the decision as a whole."""
    message: str


def _one() -> int:
    return 1


def _all_of(_conn: Connection, item_ids: Sequence[str]) -> Collection[str]:
    return item_ids


@dataclass(frozen=True, kw_only=True)
class Review:
    """One kind of items that people decide on.

    The functions get an open transaction. ``settle`` is called in the very transaction that adds or retracts a
    response, so what it derives is right by construction, whoever undoes what.
    """

    kind: str
    """What the items are called in paths and commands: ``clusters``."""
    summary: str
    decision: type[BaseModel]
    """The contract of a decision."""
    waiting: Callable[[Connection, str, int], Sequence[Item]]
    """The next items for a reviewer, at most so many: none that this person has decided, what teaches most first."""
    show: Callable[[Connection, str], Item]
    """One item, whether it waits or not. Raises NotFoundError."""
    reveal: Callable[[Connection, str], JsonObject]
    """The scores of an item, which are else not shown. Raises NotFoundError."""
    check: Callable[[Connection, str, BaseModel], None]
    """Raises NotFoundError when there is no such item, InvalidInputError or ConflictError when the decision does not
    fit it. Locks the item, so that it stays as it is until the transaction ends."""
    settle: Callable[[Connection, str, Sequence[Response]], JsonObject]
    """Derive the item's truth from all its standing responses, oldest first; idempotent. Returns what it came to."""
    count: Callable[[Connection, int], int] | None = None
    """How many items wait, whoever asks, counted up to a cap. None: what waits for nobody in particular is counted."""
    open_among: Callable[[Connection, Sequence[str]], Collection[str]] = _all_of
    """Those of some items that still wait by the pipeline's own state; responses, skips and the like are the loop's."""
    faults: Callable[[Connection, str, JsonObject], Sequence[Fault]] | None = None
    """What is wrong with a decision about an item while it is written, besides its contract. It gets what was sent as
    it is: fields may be missing, or of any type."""
    min_responses: Callable[[], int] = _one
    """How many people must have responded to an item before it waits no more."""
    one_truth: bool = False
    """One response is the truth, and no vote is counted: once enough stand, another person's is refused."""
    answers: str = ""
    """The kind whose responses these are, where it is another's: the same items and decisions by another queue. Its
    ``settle`` counts then, and rows are of its kind; ``min_responses`` and ``one_truth`` are this queue's own. Empty:
    its own kind."""

    @property
    def stored_kind(self) -> str:
        """The kind under which responses, skips, reworks and assignments are stored."""
        return self.answers or self.kind
