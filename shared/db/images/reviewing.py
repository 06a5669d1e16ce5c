"""SQL of the reviews: which image a person should rate next, or look at again, and what the responses come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from shared.db.reviews import no_rework, offered_to, open_for_all
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


_RATINGS: Final[dict[str, Any]] = {"pipeline": "images", "kind": "ratings"}

# How much a rating is worth is in the column `worth` (migration 0022, `weigh_images`, which says how it is computed),
# which every change of ratings and scores keeps right. The next images are the first of some walks along an index, so
# that they cost the same however many wait. Of those that nobody has rated, one walk for each webcam; of those that too
# few have, one for each person who rated last, since a person's own would otherwise be in their way. Of equals the
# webcam with fewer rated images is first; beyond 50 they count as many.
_WAITS: Final[LiteralString] = f"""
    {offered_to("i.id")}
    AND NOT EXISTS (SELECT FROM ratings q
                    WHERE q.image_id = i.id AND q.rater = %(reviewer)s AND q.kind = 'manual')
"""
_WAITING: Final = f"""
WITH RECURSIVE rated_by AS (
    (SELECT raters, rated_by FROM images WHERE raters > 0 AND raters < %(enough)s ORDER BY raters, rated_by LIMIT 1)
    UNION ALL
    SELECT n.raters, n.rated_by
    FROM rated_by b CROSS JOIN LATERAL (
        SELECT raters, rated_by FROM images
        WHERE raters > 0 AND raters < %(enough)s AND (raters, rated_by) > (b.raters, b.rated_by)
        ORDER BY raters, rated_by LIMIT 1) AS n
), walks AS (
    SELECT f.* FROM webcams w CROSS JOIN LATERAL (
        SELECT i.id, i.webcam_id, i.worth FROM images i
        WHERE i.raters = 0 AND i.webcam_id = w.id AND {_WAITS} ORDER BY i.worth DESC, i.id LIMIT %(limit)s) AS f
    UNION ALL
    SELECT f.* FROM rated_by b CROSS JOIN LATERAL (
        SELECT i.id, i.webcam_id, i.worth FROM images i
        WHERE i.raters > 0 AND i.raters = b.raters AND i.rated_by = b.rated_by AND {_WAITS}
        ORDER BY i.worth DESC, i.id LIMIT %(limit)s) AS f
    WHERE b.rated_by <> %(reviewer)s
), best AS (
    SELECT * FROM (SELECT *, rank() OVER (ORDER BY worth DESC) AS place FROM walks) AS ranked WHERE place <= %(limit)s
), webcams_rated AS (
    SELECT webcam_id, (SELECT count(*) FROM (SELECT FROM images r WHERE r.webcam_id = b.webcam_id AND r.raters > 0
                                             LIMIT 50) AS few) AS rated
    FROM (SELECT DISTINCT webcam_id FROM best) AS b
)
SELECT i.id, w.name AS webcam, i.captured_at, i.width, i.height
FROM best b
JOIN webcams_rated r ON r.webcam_id = b.webcam_id
JOIN images i ON i.id = b.id
JOIN webcams w ON w.id = b.webcam_id
ORDER BY b.worth DESC, r.rated, b.id LIMIT %(limit)s
"""
_COUNT: Final = f"""
SELECT count(*) FROM (
    (SELECT FROM images i WHERE i.raters = 0 AND {open_for_all("i.id")} LIMIT %(cap)s)
    UNION ALL
    (SELECT FROM images i WHERE i.raters > 0 AND i.raters < %(enough)s AND {open_for_all("i.id")} LIMIT %(cap)s)
    LIMIT %(cap)s) AS counted
"""
_OPEN: Final = "SELECT id FROM images WHERE id = ANY(%s) AND raters < %s"
_APART: Final[LiteralString] = "i.raters > 0 AND NOT i.looked_again AND i.worth >= %(least)s"
_APART_WAITING: Final = f"""
SELECT i.id, w.name AS webcam, i.captured_at, i.width, i.height
FROM images i JOIN webcams w ON w.id = i.webcam_id
WHERE {_APART} AND {offered_to("i.id")} ORDER BY i.worth DESC, i.id LIMIT %(limit)s
"""
_APART_COUNT: Final = f"""
SELECT count(*) FROM (SELECT FROM images i WHERE {_APART} AND {no_rework("i.id")} LIMIT %(cap)s) AS counted
"""
_APART_OPEN: Final = f"SELECT i.id FROM images i WHERE i.id = ANY(%(ids)s) AND {_APART}"
_WORTH: Final = "SELECT worth FROM images WHERE id = %s AND raters > 0"
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
# where a person looks at a disagreement again, what a file says of them makes place for what they say now
_IMPORTED: Final = """
SELECT EXISTS (SELECT FROM ratings WHERE image_id = %(image)s AND rater = %(rater)s AND kind = 'manual'
                 AND source = 'import')
   AND NOT EXISTS (SELECT FROM review_responses
                   WHERE pipeline = %(pipeline)s AND kind = %(kind)s AND item_id = %(image)s AND reviewer = %(rater)s
                     AND queue = 'disagreements' AND retracted_at IS NULL)
"""
_BRING_BACK: Final = """
UPDATE ratings
SET stars = imported_stars, at = imported_at, source = 'import', imported_stars = NULL, imported_at = NULL
WHERE image_id = %s AND imported_stars IS NOT NULL AND NOT rater = ANY(%s)
"""
_FORGET: Final = "DELETE FROM ratings WHERE image_id = %s AND source = 'review' AND NOT rater = ANY(%s)"
_SETTLE: Final = """
INSERT INTO ratings (image_id, rater, stars, kind, source, at) VALUES (%s, %s, %s, 'manual', 'review', %s)
ON CONFLICT (image_id, rater, kind) DO UPDATE
SET stars = excluded.stars, at = excluded.at, source = excluded.source,
    imported_stars = CASE WHEN ratings.source = 'import' THEN ratings.stars ELSE ratings.imported_stars END,
    imported_at = CASE WHEN ratings.source = 'import' THEN ratings.at ELSE ratings.imported_at END
"""


def waiting_images(conn: Connection, reviewer: str, limit: int, enough: int) -> list[ShownImage]:
    """Return images that this person has not rated, nor enough others, what teaches most first."""
    with conn.cursor(row_factory=class_row(ShownImage)) as cursor:
        asked = {**_RATINGS, "reviewer": reviewer, "limit": limit, "enough": enough}
        return cursor.execute(_WAITING, asked).fetchall()


def count_waiting_images(conn: Connection, cap: int, enough: int) -> int:
    """Count the images that wait for anybody's rating, up to a cap."""
    row = conn.execute(_COUNT, {**_RATINGS, "cap": cap, "enough": enough}).fetchone()
    return row[0] if row else 0


def open_images(conn: Connection, image_ids: Sequence[str], enough: int) -> set[str]:
    """Return those of these images that too few people have rated."""
    return {found for (found,) in conn.execute(_OPEN, [list(image_ids), enough])}


def images_apart(conn: Connection, reviewer: str, limit: int, least: float) -> list[ShownImage]:
    """Return images that somebody should look at again, the worst first: stars apart by ``least`` or more."""
    with conn.cursor(row_factory=class_row(ShownImage)) as cursor:
        asked = {**_RATINGS, "reviewer": reviewer, "limit": limit, "least": least}
        return cursor.execute(_APART_WAITING, asked).fetchall()


def count_images_apart(conn: Connection, cap: int, least: float) -> int:
    """Count the images that wait for anybody to look again, up to a cap."""
    row = conn.execute(_APART_COUNT, {**_RATINGS, "cap": cap, "least": least}).fetchone()
    return row[0] if row else 0


def open_apart(conn: Connection, image_ids: Sequence[str], least: float) -> set[str]:
    """Return those of these images that nobody has looked at again, though opinions are apart."""
    return {found for (found,) in conn.execute(_APART_OPEN, {"ids": list(image_ids), "least": least})}


def severity_of(conn: Connection, image_id: str) -> float | None:
    """Return how far opinions of a rated image are apart, in stars; None: nobody has rated it."""
    row = conn.execute(_WORTH, [image_id]).fetchone()
    return row[0] if row else None


def shown_image(conn: Connection, image_id: str) -> ShownImage | None:
    """Return one image as a person sees it; None: there is none."""
    with conn.cursor(row_factory=class_row(ShownImage)) as cursor:
        return cursor.execute(_SHOW, [image_id]).fetchone()


def lock_image(conn: Connection, image_id: str) -> bool:
    """Hold an image until the transaction ends; returns whether there is one."""
    return conn.execute("SELECT FROM images WHERE id = %s FOR NO KEY UPDATE", [image_id]).rowcount == 1


def has_imported_rating(conn: Connection, image_id: str, rater: str) -> bool:
    """Return whether a person's rating of an image came from a file, and is only changed there."""
    row = conn.execute(_IMPORTED, {**_RATINGS, "image": image_id, "rater": rater}).fetchone()
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
    reviewers = [response.reviewer for response in responses]
    conn.execute(_BRING_BACK, [image_id, reviewers])
    conn.execute(_FORGET, [image_id, reviewers])
    for response in responses:
        conn.execute(_SETTLE, [image_id, response.reviewer, response.decision["stars"], response.at])
