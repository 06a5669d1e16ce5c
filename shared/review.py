"""The word for what people decide about items of a pipeline, one by one: a cluster of insights, a picture.

A pipeline names its reviews in ``Pipeline.reviews``; the loop (``shared/loop/review.py``) hands out items, keeps the
responses and lets the pipeline derive its truth from those that stand.
"""

from collections.abc import Callable, Sequence
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


@dataclass(frozen=True, kw_only=True)
class Response:
    """One person's standing response about one item. ``decision`` is of the review's contract, as JSON."""

    id: str
    reviewer: str
    decision: JsonObject
    at: datetime


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
