"""SQL of what was scored (``image_scores``): which images lack a score, and where scores and people disagree."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """Where an image's cleaned bytes are."""

    id: str
    artifact: str
    bytes: int
    format: str
    hour: int | None


@dataclass(frozen=True, kw_only=True)
class NewScore:
    """A score of an image by the version that truly gave it."""

    image_id: str
    model_version: str
    surface: str
    raw_score: float
    ai_rating: float
    model_id: str | None
    path: str


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Whose scores: a version's, of one surface or of both; ``public``: the public's ratings count too."""

    version: str
    surface: str | None
    public: bool


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """An image that a version scored and people rated; ``gap`` is signed, the model's stars less the people's."""

    image_id: str
    webcam_id: str
    artifact: str
    bytes: int
    surface: str
    raw_score: float
    ai_rating: float
    mean: float
    ratings: int
    lowest: int
    highest: int
    gap: float
    severity: float


@dataclass(frozen=True, kw_only=True)
class RatingsSince:
    """Images that people have rated since a surface was last frozen, and all that they have rated."""

    new: int
    rated: int
    last_frozen: datetime | None


_COLUMNS: Final = "i.id, i.artifact, i.bytes, i.format, i.hour"
# in the order of ids, so an attempt goes on where the one before it ended; again: what this very job did is done
_UNSCORED: Final = f"""
SELECT {_COLUMNS} FROM images i
WHERE i.id > %(after)s
  AND (%(images)s::text[] IS NULL OR i.id = ANY(%(images)s))
  AND NOT EXISTS (
      SELECT FROM image_scores s
      WHERE s.image_id = i.id AND s.surface = %(surface)s
        AND (s.job_id = %(job)s OR (NOT %(again)s AND s.model_version = %(version)s)))
ORDER BY i.id LIMIT %(limit)s
"""
_COUNT: Final = """
SELECT count(*) FROM images i WHERE %(images)s::text[] IS NULL OR i.id = ANY(%(images)s)
"""
_PUT: Final = """
INSERT INTO image_scores (image_id, model_version, surface, raw_score, ai_rating, model_id, path, job_id)
VALUES (%(image_id)s, %(model_version)s, %(surface)s, %(raw_score)s, %(ai_rating)s, %(model_id)s, %(path)s, %(job)s)
ON CONFLICT (model_version, surface, image_id) DO UPDATE
SET raw_score = excluded.raw_score, ai_rating = excluded.ai_rating, model_id = excluded.model_id, path = excluded.path,
    job_id = excluded.job_id, at = now()
"""
_OF_JOB: Final = """
SELECT path, count(*) FROM image_scores WHERE job_id = %s AND surface = %s GROUP BY path ORDER BY path
"""
# how far apart, in stars: the model and people, or people among themselves (at half their range: two always differ)
_DISAGREEMENTS: Final = """
SELECT s.image_id, i.webcam_id, i.artifact, i.bytes, s.surface, s.raw_score, s.ai_rating, r.mean, r.ratings, r.lowest,
       r.highest, s.ai_rating - r.mean AS gap,
       greatest(abs(s.ai_rating - r.mean), (r.highest - r.lowest) * 0.5) AS severity
FROM image_scores s
JOIN images i ON i.id = s.image_id
JOIN (
    SELECT image_id, avg(stars)::double precision AS mean, count(*) AS ratings, min(stars) AS lowest,
           max(stars) AS highest
    FROM ratings WHERE kind = 'manual' OR %(public)s GROUP BY image_id
) r ON r.image_id = s.image_id
WHERE s.model_version = %(version)s AND (%(surface)s::text IS NULL OR s.surface = %(surface)s)
ORDER BY severity DESC, s.image_id, s.surface LIMIT %(limit)s
"""
_COMPARED: Final = """
SELECT count(*) FROM image_scores s
WHERE s.model_version = %(version)s AND (%(surface)s::text IS NULL OR s.surface = %(surface)s)
  AND EXISTS (SELECT FROM ratings r WHERE r.image_id = s.image_id AND (r.kind = 'manual' OR %(public)s))
"""
_SINCE: Final = """
WITH frozen AS (SELECT max(created_at) AS at FROM datasets WHERE pipeline = 'images' AND surface = %s)
SELECT count(DISTINCT r.image_id) FILTER (WHERE frozen.at IS NULL OR greatest(r.at, i.created_at) > frozen.at) AS new,
       count(DISTINCT r.image_id) AS rated,
       max(frozen.at) AS last_frozen
FROM frozen LEFT JOIN ratings r ON r.kind = 'manual' LEFT JOIN images i ON i.id = r.image_id
"""


def find_image(conn: Connection, image_id: str) -> StoredImage | None:
    """Return where an image's bytes are; None: there is no such image."""
    with conn.cursor(row_factory=class_row(StoredImage)) as cursor:
        return cursor.execute(f"SELECT {_COLUMNS} FROM images i WHERE i.id = %s", [image_id]).fetchone()


def unscored(
    conn: Connection, *, surface: str, version: str, job_id: str, again: bool, images: Sequence[str] | None,
    after: str, limit: int,
) -> list[StoredImage]:  # fmt: skip
    """Return the next images that a version has not scored, behind the image ``after``; ``again``: scored ones too."""
    given = {
        "surface": surface, "version": version, "job": job_id, "again": again,
        "images": list(images) if images else None, "after": after, "limit": limit,
    }  # fmt: skip
    with conn.cursor(row_factory=class_row(StoredImage)) as cursor:
        return cursor.execute(_UNSCORED, given).fetchall()


def count_images(conn: Connection, images: Sequence[str] | None) -> int:
    """Count the images, or those of these ids."""
    ((count,),) = conn.execute(_COUNT, {"images": list(images) if images else None}).fetchall()
    return int(count)


def put_scores(conn: Connection, job_id: str, scores: Sequence[NewScore]) -> None:
    """Store scores; one of the same version is replaced."""
    with conn.cursor() as cursor:
        cursor.executemany(_PUT, [{**vars(score), "job": job_id} for score in scores])


def scored_by_job(conn: Connection, job_id: str, surface: str) -> dict[str, int]:
    """Count what a job has scored, by path."""
    return dict(conn.execute(_OF_JOB, [job_id, surface]).fetchall())


def disagreements(conn: Connection, asked: Asked, limit: int) -> list[Disagreement]:
    """Return the images on which a version and people, or people among themselves, are farthest apart; worst first."""
    with conn.cursor(row_factory=class_row(Disagreement)) as cursor:
        return cursor.execute(_DISAGREEMENTS, {**vars(asked), "limit": limit}).fetchall()


def count_compared(conn: Connection, asked: Asked) -> int:
    """Count the scores of a version that people's ratings can be held against."""
    ((count,),) = conn.execute(_COMPARED, vars(asked)).fetchall()
    return int(count)


def ratings_since(conn: Connection, surface: str) -> RatingsSince:
    """Count the images that people have rated since a surface was last frozen."""
    with conn.cursor(row_factory=class_row(RatingsSince)) as cursor:
        (found,) = cursor.execute(_SINCE, [surface]).fetchall()
    return found
