"""SQL of what people decide about items of a pipeline: ``review_responses`` and ``review_reveals``.

And the one condition by which an item waits (``open_for``), of which each pipeline makes its queue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject
from shared.review import Response


@dataclass(frozen=True, kw_only=True)
class NewResponse:
    """What a person says of an item, before it is stored."""

    id: str
    pipeline: str
    kind: str
    item_id: str
    reviewer: str
    decision: JsonObject
    note: str | None
    queue: str
    """The kind that was asked for: another than ``kind`` where one queue's answers are another's."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A response as it is stored: ``retracted_at`` None says that it stands."""

    id: str
    item_id: str
    reviewer: str
    decision: JsonObject
    blind: bool
    at: datetime
    retracted_at: datetime | None


# OFFSET 0 keeps each a probe for one item: no plan makes a join of it that must read all that waits before the first.
_STANDING_ABOUT: Final[LiteralString] = """(
    SELECT {asked} FROM review_responses rr
    WHERE rr.pipeline = %(pipeline)s AND rr.kind = %(kind)s AND rr.item_id = {item} AND rr.retracted_at IS NULL)"""
_NO_REWORK: Final[LiteralString] = """NOT EXISTS (
    SELECT FROM review_reworks rw
    WHERE rw.pipeline = %(pipeline)s AND rw.kind = %(kind)s AND rw.item_id = {item}
      AND rw.put_back_at IS NULL OFFSET 0)"""
_NOT_SKIPPED: Final[LiteralString] = """NOT EXISTS (
    SELECT FROM review_skips rs
    WHERE rs.pipeline = %(pipeline)s AND rs.kind = %(kind)s AND rs.reviewer = %(reviewer)s AND rs.item_id = {item}
      AND rs.at > now() - interval '1 day' OFFSET 0)"""
_NOT_ANOTHERS: Final[LiteralString] = """NOT EXISTS (
    SELECT FROM review_assignments ra
    WHERE ra.pipeline = %(pipeline)s AND ra.kind = %(kind)s AND ra.item_id = {item} AND ra.reviewer <> %(reviewer)s
      AND NOT ra.done OFFSET 0)"""


def open_for(item: LiteralString) -> LiteralString:
    """Return the SQL condition by which an item waits for a person: compose it into a pipeline's own queue.

    ``item`` is the column of the item's id in that query, with its table's alias: ``open_for("c.id")``. True where this
    person has no standing response, fewer than enough people have one, nobody sent it to rework, this person did not
    skip it within a day, and it is not assigned to somebody else. The query's parameters must have

    * ``pipeline`` and ``kind``: the kind under which responses are stored (``Review.stored_kind``);
    * ``reviewer``: whom the items are for;
    * ``enough``: the review's ``min_responses()``.

    The aliases rr, rw, rs and ra are its own. Each part is one probe of an index, so walk along an index of what waits,
    with a LIMIT, and let what is decided leave that index. A queue for items that people have answered already
    (disagreements) takes ``offered_to`` instead, and says itself whose answers it waits for.
    """
    return f"({_unanswered(item)} AND {offered_to(item)})"


def open_for_all(item: LiteralString) -> LiteralString:
    """Return the SQL condition by which an item waits at all, whoever asks: for ``Review.count``.

    As ``open_for``, without ``reviewer``: skips and assignments do not count.
    """
    answered = _STANDING_ABOUT.format(asked="count(*) < %(enough)s", item=item)
    return f"({answered} AND {_NO_REWORK.format(item=item)})"


def offered_to(item: LiteralString) -> LiteralString:
    """Return the part of ``open_for`` that asks for nobody's responses: no rework, no skip, not somebody else's.

    Parameters: ``pipeline``, ``kind`` and ``reviewer``.
    """
    parts = (_NO_REWORK, _NOT_SKIPPED, _NOT_ANOTHERS)
    return f"({' AND '.join(part.format(item=item) for part in parts)})"


def no_rework(item: LiteralString) -> LiteralString:
    """Return the part of ``open_for_all`` that asks for nobody's responses. Parameters: ``pipeline`` and ``kind``."""
    return _NO_REWORK.format(item=item)


def kept_from(item: LiteralString, *, answered_too: bool) -> LiteralString:
    """Return the part of ``open_for`` that a skip does not change, for the items that a person skipped.

    ``answered_too``: the queue is for items that people have answered already.
    """
    parts = f"{_NO_REWORK.format(item=item)} AND {_NOT_ANOTHERS.format(item=item)}"
    return f"({parts})" if answered_too else f"({_unanswered(item)} AND {parts})"


def _unanswered(item: LiteralString) -> LiteralString:
    """Return the condition on responses: one probe, and one that no plan makes a scan of all responses."""
    mine: LiteralString = "coalesce(bool_and(rr.reviewer <> %(reviewer)s), true)"
    return _STANDING_ABOUT.format(asked=f"{mine} AND count(*) < %(enough)s", item=item)


_COLUMNS: Final[LiteralString] = "id, item_id, reviewer, decision, blind, at, retracted_at"

# blind: whether that person had asked for the item's scores
_ADD: Final = """
INSERT INTO review_responses (id, pipeline, kind, item_id, reviewer, decision, note, queue, blind, at)
SELECT %(id)s, %(pipeline)s, %(kind)s, %(item)s, %(reviewer)s, %(decision)s, %(note)s, %(queue)s,
       NOT EXISTS (SELECT FROM review_reveals v WHERE v.pipeline = %(pipeline)s AND v.kind = %(kind)s
                   AND v.item_id = %(item)s AND v.reviewer = %(reviewer)s), clock_timestamp()
"""
_RETRACT: Final = """
UPDATE review_responses SET retracted_at = clock_timestamp(), retracted_by = %s, replaced_by = %s
WHERE pipeline = %s AND kind = %s AND item_id = %s AND reviewer = %s AND retracted_at IS NULL
RETURNING id
"""
# a subquery with OFFSET is read in its own order
_LOCK_ALL: Final = """
SELECT pg_advisory_xact_lock(hashtextextended(name, 0))
FROM (SELECT name FROM unnest(%s::text[]) WITH ORDINALITY AS t (name, place) ORDER BY place OFFSET 0) AS sorted
"""
_RESTORE: Final = """
UPDATE review_responses SET retracted_at = NULL, retracted_by = NULL, replaced_by = NULL WHERE replaced_by = %s
RETURNING id
"""
# the same said again, to the same queue, with the same knowledge of scores
_SAID_ALREADY: Final = """
SELECT id FROM review_responses r
WHERE pipeline = %(pipeline)s AND kind = %(kind)s AND item_id = %(item)s AND reviewer = %(reviewer)s
  AND retracted_at IS NULL AND queue = %(queue)s AND decision = %(decision)s AND note IS NOT DISTINCT FROM %(note)s
  AND blind = NOT EXISTS (SELECT FROM review_reveals v WHERE v.pipeline = %(pipeline)s AND v.kind = %(kind)s
                          AND v.item_id = %(item)s AND v.reviewer = %(reviewer)s)
"""
_STANDING: Final = """
SELECT id, reviewer, decision, at FROM review_responses
WHERE pipeline = %s AND kind = %s AND item_id = %s AND retracted_at IS NULL
ORDER BY at, id
"""
_OF_ITEM: Final[LiteralString] = (
    "SELECT " + _COLUMNS + " FROM review_responses WHERE pipeline = %s AND kind = %s AND item_id = %s ORDER BY at, id"
)
_REVEAL: Final = """
INSERT INTO review_reveals (pipeline, kind, item_id, reviewer) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_COUNT: Final = """
SELECT reviewer, count(*) FROM review_responses
WHERE pipeline = %s AND kind = %s AND retracted_at IS NULL GROUP BY reviewer ORDER BY reviewer
"""


def lock(conn: Connection, pipeline: str, kind: str, item_id: str) -> None:
    """Let nobody else respond about an item before this transaction ends: what is derived must know of all."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"review:{pipeline}:{kind}:{item_id}"])


def lock_all(conn: Connection, pipeline: str, kind: str, item_ids: Sequence[str]) -> None:
    """As ``lock``, for many items: in the order of their ids, so that two who do this never wait for each other."""
    names = sorted(f"review:{pipeline}:{kind}:{item_id}" for item_id in item_ids)
    conn.execute(_LOCK_ALL, [names])


def add(conn: Connection, new: NewResponse) -> None:
    """Store a response. The same person must have none about the item that stands: see ``retract``."""
    conn.execute(_ADD, _as_parameters(new))


def said_already(conn: Connection, new: NewResponse) -> str | None:
    """Return the id of the person's standing response if it says the same: a request that came twice."""
    row = conn.execute(_SAID_ALREADY, _as_parameters(new)).fetchone()
    return row[0] if row else None


def retract(
    conn: Connection, pipeline: str, kind: str, item_id: str, reviewer: str, *, by: str, replaced_by: str | None = None
) -> str | None:
    """Take back a person's standing response about an item; returns its id, or None when there is none.

    ``replaced_by``: the id of the response that takes its place, added in the same transaction.
    """
    row = conn.execute(_RETRACT, [by, replaced_by, pipeline, kind, item_id, reviewer]).fetchone()
    return row[0] if row else None


def restore(conn: Connection, response_id: str) -> str | None:
    """Let the response stand again whose place this one took; returns its id, or None when there is none."""
    row = conn.execute(_RESTORE, [response_id]).fetchone()
    return row[0] if row else None


def standing(conn: Connection, pipeline: str, kind: str, item_id: str) -> list[Response]:
    """Return the standing responses about an item, oldest first."""
    with conn.cursor(row_factory=class_row(Response)) as cursor:
        return cursor.execute(_STANDING, [pipeline, kind, item_id]).fetchall()


def of_item(conn: Connection, pipeline: str, kind: str, item_id: str) -> list[Stored]:
    """Return all responses about an item, those that were taken back too, oldest first."""
    with conn.cursor(row_factory=class_row(Stored)) as cursor:
        return cursor.execute(_OF_ITEM, [pipeline, kind, item_id]).fetchall()


def note_reveal(conn: Connection, pipeline: str, kind: str, item_id: str, reviewer: str) -> bool:
    """Write down that a person asked for an item's scores; returns whether it was for the first time."""
    return conn.execute(_REVEAL, [pipeline, kind, item_id, reviewer]).rowcount == 1


def count_standing(conn: Connection, pipeline: str, kind: str) -> dict[str, int]:
    """Count the standing responses of a kind by person."""
    return dict(conn.execute(_COUNT, [pipeline, kind]).fetchall())


def _as_parameters(new: NewResponse) -> JsonObject:
    return {
        "id": new.id, "pipeline": new.pipeline, "kind": new.kind, "item": new.item_id, "reviewer": new.reviewer,
        "decision": Jsonb(new.decision), "note": new.note, "queue": new.queue,
    }  # fmt: skip
