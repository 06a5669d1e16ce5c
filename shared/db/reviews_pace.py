"""SQL of how far a person is with a queue: today's responses, all of them, and the latest ones' times."""

from dataclasses import dataclass
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class Pace:
    """A person's standing responses to a queue. The latest: at most so many of them, and none older than an hour."""

    today: int
    total: int
    latest: int
    latest_seconds: float
    """From the first to the last of the latest."""


_PACE: Final = """
WITH mine AS NOT MATERIALIZED (
    SELECT at FROM review_responses
    WHERE pipeline = %(pipeline)s AND queue = %(queue)s AND reviewer = %(reviewer)s AND retracted_at IS NULL
), latest AS (
    SELECT at FROM mine WHERE at > now() - interval '1 hour' ORDER BY at DESC LIMIT %(most)s
)
SELECT (SELECT count(*) FROM mine WHERE at >= date_trunc('day', now())) AS today,
       (SELECT count(*) FROM mine) AS total,
       (SELECT count(*) FROM latest) AS latest,
       (SELECT coalesce(extract(epoch FROM max(at) - min(at)), 0)::double precision FROM latest) AS latest_seconds
"""


def pace(conn: Connection, pipeline: str, queue: str, reviewer: str, *, most: int) -> Pace:
    """Return how far a person is with a queue; ``most``: of how many responses the pace is."""
    with conn.cursor(row_factory=class_row(Pace)) as cursor:
        asked = {"pipeline": pipeline, "queue": queue, "reviewer": reviewer, "most": most}
        (found,) = cursor.execute(_PACE, asked).fetchall()
    return found
