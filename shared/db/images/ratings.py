"""SQL of what people said of images (``ratings``): one standing rating of one person for one image and kind."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from psycopg import Connection, sql

from shared.db import staging
from shared.db.staging import table_of

RatingKind = Literal["manual", "public"]


@dataclass(frozen=True, kw_only=True)
class NewRating:
    """What one person said; ``at`` None: now."""

    rater: str
    stars: int
    kind: RatingKind
    at: datetime | None


@dataclass(frozen=True, kw_only=True)
class StagedRating(NewRating):
    """A line of a file of ratings. ``image`` is an image's id, or the SHA-256 of the file as it came in."""

    line: int
    image: str


@dataclass(frozen=True, kw_only=True)
class RatingsMerged:
    """Ratings that were not there yet, and those that replaced what the same person had said before."""

    new: int
    changed: int


_COLUMNS: Final = 'line integer, image text COLLATE "C", rater text, stars smallint, kind text, at timestamptz'
_COPY: Final = sql.SQL("COPY {} FROM STDIN")

# The same word said again changes nothing; an older word than the one that stands neither. What a person said in a
# review is only changed there.
_REPLACE: Final[str] = """
ON CONFLICT (image_id, rater, kind) DO UPDATE SET stars = excluded.stars, at = excluded.at
WHERE ratings.at <= excluded.at AND ratings.stars <> excluded.stars AND ratings.source = 'import'
"""
_PUT: Final = sql.SQL(
    """
INSERT INTO ratings (image_id, rater, stars, kind, source, at)
VALUES (%s, %s, %s, %s, 'import', coalesce(%s, now()))
"""
    + _REPLACE
)
_FIND: Final = "SELECT t.*, i.id FROM {} t LEFT JOIN images i ON i.id = t.image OR i.source = t.image"
_UNKNOWN: Final = sql.SQL("SELECT line FROM (" + _FIND + ") f WHERE id IS NULL ORDER BY line LIMIT {}")
_COUNT_UNKNOWN: Final = sql.SQL("SELECT count(*) FROM (" + _FIND + ") f WHERE id IS NULL")
# in one order, and before any rating is: whoever rates a picture in the review holds it in this order too
_HOLD: Final = sql.SQL(
    "SELECT FROM images WHERE id IN (SELECT id FROM (" + _FIND + ") f) ORDER BY id FOR NO KEY UPDATE"
)
_MERGE: Final = sql.SQL(
    """
WITH merged AS (
    INSERT INTO ratings (image_id, rater, stars, kind, source, at)
    SELECT DISTINCT ON (id, rater, kind) id, rater, stars, kind, 'import', coalesce(at, now())
    FROM ("""
    + _FIND
    + """) f ORDER BY id, rater, kind, at DESC NULLS FIRST, line DESC
    """
    + _REPLACE
    + """
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM merged
"""
)


def put_rating(conn: Connection, image_id: str, rating: NewRating) -> None:
    """Store one imported rating of an image; it replaces an older one of the same person."""
    conn.execute(_PUT, [image_id, rating.rater, rating.stars, rating.kind, rating.at])


def stage_ratings(conn: Connection, job_id: str, attempt: int) -> None:
    """Make an empty staging table for the ratings of a file."""
    staging.create(conn, table_of(job_id, attempt), _COLUMNS)


@contextmanager
def staged_ratings(conn: Connection, job_id: str, attempt: int) -> Iterator[Callable[[StagedRating], None]]:
    """Lend a function that sends ratings to the staging table."""
    with conn.cursor().copy(_COPY.format(table_of(job_id, attempt))) as copy:

        def write(row: StagedRating) -> None:
            copy.write_row((row.line, row.image, row.rater, row.stars, row.kind, row.at))

        yield write


def unknown_images(conn: Connection, job_id: str, attempt: int, limit: int) -> tuple[list[int], int]:
    """Return the first lines whose image is not here, and how many there are."""
    table = table_of(job_id, attempt)
    lines = [line for (line,) in conn.execute(_UNKNOWN.format(table, sql.Literal(limit))).fetchall()]
    ((count,),) = conn.execute(_COUNT_UNKNOWN.format(table)).fetchall() if lines else (((0,)),)
    return lines, int(count)


def drop_ratings(conn: Connection, job_id: str, attempt: int) -> None:
    """Drop the staging table of a file that is refused."""
    staging.drop(conn, table_of(job_id, attempt))


def merge_ratings(conn: Connection, job_id: str, attempt: int) -> RatingsMerged:
    """Store the staged ratings and drop their table. Part of the caller's transaction."""
    table = table_of(job_id, attempt)
    conn.execute(_HOLD.format(table))
    ((new, changed),) = conn.execute(_MERGE.format(table)).fetchall()
    staging.drop(conn, table)
    return RatingsMerged(new=new, changed=changed)
