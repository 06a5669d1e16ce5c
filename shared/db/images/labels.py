"""SQL of images with what people said of them (``image_labels``), read as the training role."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class LabelRow:
    """One rated image; ``stars`` is the mean of ``ratings`` ratings, of which the last is of ``rated_at``."""

    id: str
    webcam_id: str
    captured_at: datetime | None
    hour: int | None
    artifact: str
    bytes: int
    ratings: int
    stars: Decimal
    rated_at: datetime


# whose ratings count: of raters whom we know, or everybody's
_MANUAL: Final = """
SELECT id, webcam_id, captured_at, hour, artifact, bytes, manual_count AS ratings, manual_stars AS stars,
       manual_at AS rated_at
FROM image_labels WHERE manual_count >= %s ORDER BY id
"""
_ALL: Final = """
SELECT id, webcam_id, captured_at, hour, artifact, bytes, all_count AS ratings, all_stars AS stars, all_at AS rated_at
FROM image_labels WHERE all_count >= %s ORDER BY id
"""


def labels(conn: Connection, *, public: bool, min_ratings: int) -> Iterator[LabelRow]:
    """Stream the images with so many ratings at least, in the order of their ids. ``public``: those count too."""
    conn.execute("SET LOCAL timezone TO 'UTC'")  # equal rows give equal files, whatever the server's zone
    with conn.cursor(name="labels", row_factory=class_row(LabelRow)) as cursor:
        cursor.execute(_ALL if public else _MANUAL, [min_ratings])
        yield from cursor


def count_rated(conn: Connection) -> tuple[int, int]:
    """Return how many images have a manual rating, and how many have any."""
    ((manual, everybody),) = conn.execute(
        "SELECT count(*) FILTER (WHERE manual_count > 0), count(*) FROM image_labels"
    ).fetchall()
    return int(manual), int(everybody)
