"""How many items wait, and how far and how fast a person is with them."""

from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection

from shared.db.reviews_pace import pace
from shared.loop.review import review_of
from shared.pipeline import Pipeline

COUNTED_AT_MOST: Final = 1_000
"""By ``progress``, which a page asks after each decision, and for all queues at once."""
_MANY: Final = 10_000
_LATEST: Final = 20
_FEWEST: Final = 3
_HOUR_S: Final = 3600.0
_NOBODY: Final = ""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a person is with a queue. Days are of UTC; what was taken back does not count."""

    mine_today: int
    mine_total: int
    per_hour: float | None
    """The pace of this person's latest decisions within an hour; None: too few to tell."""
    waiting: int
    """How many items wait, whoever asks."""
    waiting_is_capped: bool
    """There are more: nobody counts them all."""


def waiting_count(conn: Connection, pipeline: Pipeline[Any, Any], kind: str, cap: int = _MANY) -> int:
    """Count the items that wait, whoever asks, up to a cap. Raises NotFoundError when there is no such kind."""
    review = review_of(pipeline, kind)
    if review.count is None:
        return len(review.waiting(conn, _NOBODY, cap))
    return review.count(conn, cap)


def progress(conn: Connection, pipeline: Pipeline[Any, Any], kind: str, *, reviewer: str) -> Progress:
    """Return how far a person is. Raises NotFoundError when there is no such kind."""
    waiting = waiting_count(conn, pipeline, kind, COUNTED_AT_MOST + 1)
    mine = pace(conn, pipeline.name, kind, reviewer, most=_LATEST)
    known = mine.latest >= _FEWEST and mine.latest_seconds > 0
    return Progress(
        mine_today=mine.today,
        mine_total=mine.total,
        per_hour=round((mine.latest - 1) * _HOUR_S / mine.latest_seconds, 1) if known else None,
        waiting=min(waiting, COUNTED_AT_MOST),
        waiting_is_capped=waiting > COUNTED_AT_MOST,
    )
