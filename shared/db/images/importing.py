"""SQL that takes in pictures, some at a time, and remembers how far an import has come (``image_imports``)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row

from shared.db.images.ratings import NewRating, put_rating

OTHER_WEBCAM: Final = "other-webcam"
"""The reason beside a picture that is known already, as another webcam's."""


@dataclass(frozen=True, kw_only=True)
class NewImage:
    """A picture whose cleaned bytes are stored. ``source``, ``artifact``: SHA-256 as it came, and as it is kept."""

    id: str
    webcam_id: str
    webcam: str
    captured_at: datetime | None
    hour: int | None
    source: str
    artifact: str
    bytes: int
    width: int
    height: int
    format: str


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What came of one picture of an import: an image, perhaps with a rating, or why it is refused."""

    position: int
    name: str
    image: NewImage | None = None
    rating: NewRating | None = None
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One picture of an import, as it was written down."""

    position: int
    name: str
    outcome: str
    image_id: str | None
    reason: str | None
    message: str | None


@dataclass(frozen=True, kw_only=True)
class ImportTally:
    """How an import stands: the last picture that was looked at, and how many came to what."""

    last: int
    new: int
    known: int
    refused: int
    rated: int


_WEBCAM: Final = "INSERT INTO webcams (id, name) VALUES (%(webcam_id)s, %(webcam)s) ON CONFLICT DO NOTHING"
_IMAGE: Final = """
INSERT INTO images (id, webcam_id, captured_at, hour, source, artifact, bytes, width, height, format)
VALUES (%(id)s, %(webcam_id)s, %(captured_at)s, %(hour)s, %(source)s, %(artifact)s, %(bytes)s, %(width)s, %(height)s,
        %(format)s)
ON CONFLICT DO NOTHING
"""
_MOMENT: Final = """
UPDATE images SET captured_at = %(captured_at)s, hour = %(hour)s WHERE id = %(id)s AND captured_at IS NULL
"""
_KNOWN: Final = "SELECT id, webcam_id FROM images WHERE source = %s OR artifact = %s ORDER BY source <> %s LIMIT 1"
_NOTE: Final = """
INSERT INTO image_imports (job_id, position, name, outcome, image_id, reason, message, rated)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_TALLY: Final = """
SELECT coalesce(max(position), 0) AS last,
       count(*) FILTER (WHERE outcome = 'new') AS new,
       count(*) FILTER (WHERE outcome = 'known') AS known,
       count(*) FILTER (WHERE outcome = 'refused') AS refused,
       count(*) FILTER (WHERE rated) AS rated
FROM image_imports WHERE job_id = %s
"""
_OUTCOMES: Final = """
SELECT position, name, outcome, image_id, reason, message FROM image_imports WHERE job_id = %s ORDER BY position
"""
_REFUSALS: Final = """
SELECT position, name, outcome, image_id, reason, message FROM image_imports
WHERE job_id = %s AND outcome = 'refused' ORDER BY position LIMIT %s
"""
_REASONS: Final = """
SELECT reason, count(*) FROM image_imports WHERE job_id = %s AND reason IS NOT NULL GROUP BY reason ORDER BY reason
"""
_WEBCAMS: Final = """
SELECT count(DISTINCT i.webcam_id) FROM image_imports m JOIN images i ON i.id = m.image_id WHERE m.job_id = %s
"""


def put_looked(conn: Connection, job_id: str, looked: Sequence[Looked]) -> None:
    """Write down what came of some pictures, and add the new ones. A picture is stored once, whoever brings it."""
    # two imports of the same pictures lock them in the same order
    for each in sorted(looked, key=lambda each: each.image.id if each.image else ""):
        image_id, outcome, reason = None, "refused", each.reason
        if each.image:
            image_id, outcome, reason = _put_image(conn, each.image)
            if each.rating:
                put_rating(conn, image_id, each.rating)
        conn.execute(
            _NOTE,
            [job_id, each.position, each.name, outcome, image_id, reason, each.message, each.rating is not None],
        )


def _put_image(conn: Connection, image: NewImage) -> tuple[str, str, str | None]:
    conn.execute(_WEBCAM, vars(image))
    if conn.execute(_IMAGE, vars(image)).rowcount:
        return image.id, "new", None
    if image.captured_at:  # a folder was imported first, and now the manifest that knows more
        conn.execute(_MOMENT, vars(image))
    ((known, webcam),) = conn.execute(_KNOWN, [image.source, image.artifact, image.source]).fetchall()
    return known, "known", None if webcam == image.webcam_id else OTHER_WEBCAM


def import_tally(conn: Connection, job_id: str) -> ImportTally:
    """Return how an import stands; an attempt goes on behind ``last``."""
    with conn.cursor(row_factory=class_row(ImportTally)) as cursor:
        (found,) = cursor.execute(_TALLY, [job_id]).fetchall()
    return found


def count_webcams(conn: Connection, job_id: str) -> int:
    """Count the webcams of the pictures of an import."""
    ((count,),) = conn.execute(_WEBCAMS, [job_id]).fetchall()
    return int(count)


def outcomes(conn: Connection, job_id: str) -> Iterator[Outcome]:
    """Stream what came of each picture of an import, in order."""
    with conn.cursor(name="outcomes", row_factory=class_row(Outcome)) as cursor:
        cursor.execute(_OUTCOMES, [job_id])
        yield from cursor


def refusals(conn: Connection, job_id: str, limit: int) -> list[Outcome]:
    """Return the first pictures that were refused."""
    with conn.cursor(row_factory=class_row(Outcome)) as cursor:
        return cursor.execute(_REFUSALS, [job_id, limit]).fetchall()


def count_reasons(conn: Connection, job_id: str) -> dict[str, int]:
    """Count the pictures of an import that were refused, or of which there is something else to say, by reason."""
    return dict(conn.execute(_REASONS, [job_id]).fetchall())


def forget_import(conn: Connection, job_id: str) -> None:
    """Forget how far an import had come: it has ended."""
    conn.execute("DELETE FROM image_imports WHERE job_id = %s", [job_id])
