"""SQL of the review ``ratings``: which image a person should rate next, and what the responses come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row

from shared.review import Response


@dataclass(frozen=True, kw_only=True)
class ShownImage:
    """An image as a person sees it before rating: nothing that anybody or anything said of it."""

    id: str
    webcam: str
    captured_at: datetime | None
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class ModelScore:
    """What one version said of an image."""

    model_version: str
    surface: str
    raw_score: float
    ai_rating: float
    path: str


@dataclass(frozen=True, kw_only=True)
class People:
    """What people said of an image so far."""

    ratings: int
    mean: float | None
    lowest: int | None
    highest: int | None


# How much a rating is worth, in stars. Where known raters have rated: the gap between them and a model's latest score,
# or half the range among themselves, as the report of disagreements ranks them; where none has, how unsure the model is
# (1 to 2), or 1.5 where there is no score either. Of equals the webcam with fewer ratings is first.
_WAITING: Final = """
SELECT i.id, w.name AS webcam, i.captured_at, i.width, i.height
FROM images i
JOIN webcams w ON w.id = i.webcam_id
LEFT JOIN (
    SELECT image_id, avg(stars) AS mean, (max(stars) - min(stars)) * 0.5 AS spread,
           bool_or(rater = %(reviewer)s) AS mine
    FROM ratings WHERE kind = 'manual' GROUP BY image_id
) r ON r.image_id = i.id
LEFT JOIN (
    SELECT DISTINCT ON (image_id) image_id, raw_score, ai_rating
    FROM image_scores WHERE path IN ('onnx', 'cache') ORDER BY image_id, at DESC
) s ON s.image_id = i.id
LEFT JOIN (
    SELECT j.webcam_id, count(*) AS rated FROM ratings q JOIN images j ON j.id = q.image_id GROUP BY j.webcam_id
) c ON c.webcam_id = i.webcam_id
WHERE r.mine IS NOT TRUE
ORDER BY CASE WHEN r.image_id IS NOT NULL THEN greatest(abs(s.ai_rating - r.mean), r.spread, 0)
              WHEN s.image_id IS NOT NULL THEN 2 - abs(2 * s.raw_score - 1)
              ELSE 1.5 END DESC,
         coalesce(c.rated, 0), i.id
LIMIT %(limit)s
"""
_SHOW: Final = """
SELECT i.id, w.name AS webcam, i.captured_at, i.width, i.height
FROM images i JOIN webcams w ON w.id = i.webcam_id WHERE i.id = %s
"""
_SCORES: Final = """
SELECT model_version, surface, raw_score, ai_rating, path FROM image_scores WHERE image_id = %s
ORDER BY at DESC, model_version LIMIT %s
"""
_PEOPLE: Final = """
SELECT count(*) AS ratings, avg(stars)::double precision AS mean, min(stars) AS lowest, max(stars) AS highest
FROM ratings WHERE image_id = %s
"""
_IMPORTED: Final = """
SELECT EXISTS (SELECT FROM ratings WHERE image_id = %s AND rater = %s AND kind = 'manual' AND source = 'import')
"""
_FORGET: Final = "DELETE FROM ratings WHERE image_id = %s AND source = 'review' AND NOT rater = ANY(%s)"
_SETTLE: Final = """
INSERT INTO ratings (image_id, rater, stars, kind, source, at) VALUES (%s, %s, %s, 'manual', 'review', %s)
ON CONFLICT (image_id, rater, kind) DO UPDATE SET stars = excluded.stars, at = excluded.at, source = excluded.source
"""


def waiting_images(conn: Connection, reviewer: str, limit: int) -> list[ShownImage]:
    """Return the images that this person has not rated, what teaches most first."""
    with conn.cursor(row_factory=class_row(ShownImage)) as cursor:
        return cursor.execute(_WAITING, {"reviewer": reviewer, "limit": limit}).fetchall()


def shown_image(conn: Connection, image_id: str) -> ShownImage | None:
    """Return one image as a person sees it; None: there is none."""
    with conn.cursor(row_factory=class_row(ShownImage)) as cursor:
        return cursor.execute(_SHOW, [image_id]).fetchone()


def lock_image(conn: Connection, image_id: str) -> bool:
    """Hold an image until the transaction ends; returns whether there is one."""
    return conn.execute("SELECT FROM images WHERE id = %s FOR NO KEY UPDATE", [image_id]).rowcount == 1


def has_imported_rating(conn: Connection, image_id: str, rater: str) -> bool:
    """Return whether a person's rating of an image came from a file."""
    row = conn.execute(_IMPORTED, [image_id, rater]).fetchone()
    return bool(row and row[0])


def scores_of(conn: Connection, image_id: str, limit: int = 20) -> list[ModelScore]:
    """Return what versions said of an image, the latest first."""
    with conn.cursor(row_factory=class_row(ModelScore)) as cursor:
        return cursor.execute(_SCORES, [image_id, limit]).fetchall()


def people_of(conn: Connection, image_id: str) -> People:
    """Return what people said of an image."""
    with conn.cursor(row_factory=class_row(People)) as cursor:
        (found,) = cursor.execute(_PEOPLE, [image_id]).fetchall()
    return found


def settle_ratings(conn: Connection, image_id: str, responses: Sequence[Response]) -> None:
    """Make the ratings from reviews those of these responses, which stand; no others."""
    conn.execute(_FORGET, [image_id, [response.reviewer for response in responses]])
    for response in responses:
        conn.execute(_SETTLE, [image_id, response.reviewer, response.decision["stars"], response.at])
