"""Who answers an input now: the active model, a canary that has a share of the traffic, or the fallback on purpose.

For steps that answer one input. The inference workers decide the same from memory (``loop/predict.py``).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from shared import models
from shared.db import canaries, pins
from shared.db.canaries import Canary, Pair
from shared.ids import canonical_json
from shared.loop.answers import Answered
from shared.models import Model

_PERCENT = 100


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Who answers. ``model`` None: the fallback, because no model is active or because the surface is pinned to it.

    With a ``canary``, ``model`` is the candidate; ``active`` (None: the fallback) shall be asked the same, and both
    answers be kept with ``compare``: that is what a canary is for.
    """

    model: Model | None
    active: Model | None
    pinned: bool = False
    canary: Canary | None = None


def choose(conn: Connection, pipeline: str, surface: str, key: str) -> Choice:
    """Return who answers an input of a surface; ``key`` is its ``key_of``. The same input gets the same answerer."""
    if pins.holding(conn, pipeline, surface):
        return Choice(model=None, active=None, pinned=True)
    active = models.active(conn, pipeline, surface)
    canary = canaries.running(conn, pipeline, surface)
    if canary and has_share(canary.model_id, canary.percent, key):
        return Choice(model=models.get(conn, canary.model_id), active=active, canary=canary)
    return Choice(model=active, active=active)


def key_of(raw: Any) -> str:
    """Return what stands for an input: the hash of its canonical JSON."""
    return hashlib.sha256(canonical_json(raw)).hexdigest()


def has_share(model_id: str, percent: int, key: str) -> bool:
    """Decide whether a canary answers this input. An input that is in at some percent is in at every larger one."""
    digest = hashlib.sha256(f"{model_id}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * _PERCENT < percent << 64


def compare(canary_id: str, key: str, canary: Answered, active: Answered) -> Pair:
    """Return both answers to one input as they are kept (``canaries.insert_pairs``)."""
    return Pair(
        canary_id=canary_id,
        key=key,
        canary_path=canary.path.value,
        canary_confidence=canary.confidence,
        canary_output=canary.output,
        active_path=active.path.value,
        active_confidence=active.confidence,
        active_output=active.output,
        agreement=agreement(canary.output, active.output),
    )


def agreement(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return the share of the fields that are equal in both outputs, 0 to 1."""
    fields = one.keys() | other.keys()
    if not fields:
        return 1.0
    equal = [name for name in fields if name in one and name in other and one[name] == other[name]]
    return len(equal) / len(fields)
