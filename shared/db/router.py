"""SQL of the router's reviews: which queries wait for a person, and what was said of each (``query_words``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from shared.db.ml_data import NewLabel, Source, put_label
from shared.db.reviews import no_rework, offered_to, open_for, open_for_all

__all__ = [
    "AnsweredQuery", "AskedQuery", "NewLabel", "Source", "Word", "contested_among", "contested_queries",
    "count_contested", "count_responses", "count_unlabelled", "find_label", "find_query", "forget_label",
    "has_seen", "lock_query", "note_told", "put_label", "put_word", "set_labelled", "unlabelled_among",
    "unlabelled_queries", "word_of",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AskedQuery:
    """A query as a person sees it before labelling: what was asked, nothing else."""

    id: str
    query: str


@dataclass(frozen=True, kw_only=True)
class AnsweredQuery(AskedQuery):
    """A query with what was answered, and how it stands. ``contested_by``: see migration 0022."""

    difficulty: str
    confidence: float
    path: str
    model_version: str | None
    labelled: bool
    contested_by: str | None


@dataclass(frozen=True, kw_only=True)
class Word:
    """What a person said of a query outside the review."""

    label: str
    source: Source
    said_by: str
    at: datetime


_LABELS: Final[dict[str, Any]] = {"pipeline": "router", "kind": "labels"}

# --- what waits -------------------------------------------------------------------------------------------------------

# an answer of the fallback has no confidence at all, so these are first; of equals the latest
_UNLABELLED: Final = f"""
SELECT q.id, q.query FROM queries q
WHERE NOT q.labelled AND {open_for("q.id")} ORDER BY q.confidence, q.id DESC LIMIT %(limit)s
"""
_COUNT_UNLABELLED: Final = f"""
SELECT count(*) FROM (
    SELECT FROM queries q WHERE NOT q.labelled AND {open_for_all("q.id")} LIMIT %(cap)s) AS counted
"""
_STILL_UNLABELLED: Final = "SELECT id FROM queries WHERE id = ANY(%s) AND NOT labelled"
# A second person decides, so that one's own labels, however many, must not be in the way: one walk along the index for
# each other person.
_CONTESTED: Final = f"""
WITH RECURSIVE people AS (
    (SELECT contested_by AS name FROM queries WHERE contested_by IS NOT NULL ORDER BY contested_by LIMIT 1)
    UNION ALL
    SELECT n.name
    FROM people p CROSS JOIN LATERAL (
        SELECT contested_by AS name FROM queries WHERE contested_by > p.name ORDER BY contested_by LIMIT 1) AS n
)
SELECT f.id, f.query
FROM people p CROSS JOIN LATERAL (
    SELECT q.id, q.query, q.confidence FROM queries q
    WHERE q.contested_by = p.name AND q.confidence >= %(least)s AND {offered_to("q.id")}
    ORDER BY q.confidence DESC, q.id LIMIT %(limit)s) AS f
WHERE p.name <> %(reviewer)s
ORDER BY f.confidence DESC, f.id LIMIT %(limit)s
"""
_CONTESTED_WAITS: Final[LiteralString] = "q.contested_by IS NOT NULL AND q.confidence >= %(least)s"
_COUNT_CONTESTED: Final = f"""
SELECT count(*) FROM (
    SELECT FROM queries q WHERE {_CONTESTED_WAITS} AND {no_rework("q.id")} LIMIT %(cap)s) AS counted
"""
_STILL_CONTESTED: Final = f"SELECT q.id FROM queries q WHERE q.id = ANY(%(ids)s) AND {_CONTESTED_WAITS}"


def unlabelled_queries(conn: Connection, reviewer: str, limit: int) -> list[AskedQuery]:
    """Return the queries that a person should label next, the least surely answered first."""
    with conn.cursor(row_factory=class_row(AskedQuery)) as cursor:
        asked = {**_LABELS, "reviewer": reviewer, "enough": 1, "limit": limit}
        return cursor.execute(_UNLABELLED, asked).fetchall()


def count_unlabelled(conn: Connection, cap: int) -> int:
    """Count the queries without a label, up to a cap."""
    row = conn.execute(_COUNT_UNLABELLED, {**_LABELS, "enough": 1, "cap": cap}).fetchone()
    return row[0] if row else 0


def unlabelled_among(conn: Connection, query_ids: Sequence[str]) -> set[str]:
    """Return those of these queries that have no label."""
    return {found for (found,) in conn.execute(_STILL_UNLABELLED, [list(query_ids)])}


def contested_queries(conn: Connection, reviewer: str, limit: int, least: float) -> list[AskedQuery]:
    """Return queries that somebody else has labelled otherwise than an answer at least so sure, the surest first."""
    with conn.cursor(row_factory=class_row(AskedQuery)) as cursor:
        asked = {**_LABELS, "reviewer": reviewer, "limit": limit, "least": least}
        return cursor.execute(_CONTESTED, asked).fetchall()


def count_contested(conn: Connection, cap: int, least: float) -> int:
    """Count the queries whose label a second person should look at, up to a cap."""
    row = conn.execute(_COUNT_CONTESTED, {**_LABELS, "least": least, "cap": cap}).fetchone()
    return row[0] if row else 0


def contested_among(conn: Connection, query_ids: Sequence[str], least: float) -> set[str]:
    """Return those of these queries whose label a second person should look at."""
    return {found for (found,) in conn.execute(_STILL_CONTESTED, {"ids": list(query_ids), "least": least})}


# --- one query --------------------------------------------------------------------------------------------------------

_ONE: Final[LiteralString] = """
SELECT q.id, q.query, q.difficulty, q.confidence, p.path, q.model_version, q.labelled, q.contested_by
FROM queries q JOIN predictions p ON p.id = q.id WHERE q.id = %s
"""
_WORD: Final = "SELECT label, source, said_by, at FROM query_words WHERE query_id = %s"
_PUT_WORD: Final = """
INSERT INTO query_words (query_id, label, source, said_by, at) VALUES (%s, %s, %s, %s, clock_timestamp())
ON CONFLICT (query_id) DO UPDATE
SET label = excluded.label, source = excluded.source, said_by = excluded.said_by, at = excluded.at
"""
_SET_LABELLED: Final = """
UPDATE queries SET labelled = %(labelled)s, contested_by = %(by)s
WHERE id = %(id)s AND (labelled, contested_by) IS DISTINCT FROM (%(labelled)s, %(by)s::text)
"""
_RESPONSES: Final = """
SELECT count(*) FROM review_responses
WHERE pipeline = %(pipeline)s AND kind = %(kind)s AND item_id = %(id)s AND retracted_at IS NULL
"""


def find_query(conn: Connection, query_id: str) -> AnsweredQuery | None:
    """Return a query with its answer; None: there is none."""
    with conn.cursor(row_factory=class_row(AnsweredQuery)) as cursor:
        return cursor.execute(_ONE, [query_id]).fetchone()


def lock_query(conn: Connection, query_id: str) -> AnsweredQuery | None:
    """Hold a query until the transaction ends, and return it; None: there is none."""
    with conn.cursor(row_factory=class_row(AnsweredQuery)) as cursor:
        return cursor.execute(_ONE + " FOR NO KEY UPDATE OF q", [query_id]).fetchone()


def word_of(conn: Connection, query_id: str) -> Word | None:
    """Return what was said of a query outside the review."""
    with conn.cursor(row_factory=class_row(Word)) as cursor:
        return cursor.execute(_WORD, [query_id]).fetchone()


def put_word(conn: Connection, query_id: str, label: str, *, source: Source, said_by: str) -> None:
    """Store what a person says of a query outside the review, in place of what was said so before."""
    conn.execute(_PUT_WORD, [query_id, label, source, said_by])


def find_label(conn: Connection, query_id: str) -> str | None:
    """Return the label that a query has by now."""
    row = conn.execute("SELECT label FROM ml_data WHERE query_id = %s", [query_id]).fetchone()
    return row[0] if row else None


def count_responses(conn: Connection, query_id: str) -> int:
    """Count the people whose response to the review of a query stands."""
    row = conn.execute(_RESPONSES, {**_LABELS, "id": query_id}).fetchone()
    return row[0] if row else 0


def forget_label(conn: Connection, query_id: str) -> None:
    """Leave a query without a label: nobody's word about it stands."""
    conn.execute("DELETE FROM ml_data WHERE query_id = %s", [query_id])


def set_labelled(conn: Connection, query_id: str, *, labelled: bool, contested_by: str | None) -> None:
    """Note how a query stands, so that the queues need not look."""
    conn.execute(_SET_LABELLED, {"id": query_id, "labelled": labelled, "by": contested_by})


# --- blindness --------------------------------------------------------------------------------------------------------

_SEEN: Final = """
SELECT EXISTS (SELECT FROM review_reveals
               WHERE pipeline = %(pipeline)s AND kind = %(kind)s AND item_id = %(id)s AND reviewer = %(reviewer)s)
"""
_TOLD: Final = """
INSERT INTO review_reveals (pipeline, kind, item_id, reviewer)
SELECT DISTINCT pipeline, kind, item_id, reviewer FROM review_responses
WHERE pipeline = %(pipeline)s AND kind = %(kind)s AND item_id = %(id)s AND retracted_at IS NOT NULL
ON CONFLICT DO NOTHING
"""
_NOT_BLIND: Final = """
UPDATE review_responses r SET blind = false
WHERE pipeline = %(pipeline)s AND kind = %(kind)s AND item_id = %(id)s AND retracted_at IS NULL AND blind
  AND EXISTS (SELECT FROM review_responses o
              WHERE o.pipeline = r.pipeline AND o.kind = r.kind AND o.item_id = r.item_id AND o.reviewer = r.reviewer
                AND o.retracted_at IS NOT NULL AND o.at < r.at)
"""


def has_seen(conn: Connection, query_id: str, reviewer: str) -> bool:
    """Return whether a person has asked for what was answered."""
    row = conn.execute(_SEEN, {**_LABELS, "id": query_id, "reviewer": reviewer}).fetchone()
    return bool(row and row[0])


def note_told(conn: Connection, query_id: str) -> None:
    """Note who knows what was answered because they had decided before: what they say now is not blind."""
    conn.execute(_TOLD, {**_LABELS, "id": query_id})
    conn.execute(_NOT_BLIND, {**_LABELS, "id": query_id})
