"""SQL of what people do with items besides deciding: ``review_skips``, ``review_reworks``, ``review_assignments``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from shared.db.reviews import kept_from, offered_to, open_for

MOST_LOOKED_AT: Final = 500
"""Assigned or skipped items that are looked at for the next ones; others come by the queue."""


@dataclass(frozen=True, kw_only=True)
class Rework:
    """Somebody says why an item cannot be decided as it is."""

    id: str
    item_id: str
    reviewer: str
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Whose an item is until that person has responded."""

    reviewer: str
    done: bool


# --- skips ------------------------------------------------------------------------------------------------------------

_FORGET_OLD: Final = """
DELETE FROM review_skips WHERE pipeline = %s AND kind = %s AND reviewer = %s AND at < now() - interval '1 day'
"""
_SKIP: Final = """
INSERT INTO review_skips (pipeline, kind, reviewer, item_id) VALUES (%s, %s, %s, %s)
ON CONFLICT (pipeline, kind, reviewer, item_id) DO UPDATE SET at = excluded.at
"""
_UNSKIP: Final = "DELETE FROM review_skips WHERE pipeline = %s AND kind = %s AND reviewer = %s AND item_id = %s"
_SKIPPED: Final = """
SELECT s.item_id FROM review_skips s
WHERE s.pipeline = %(pipeline)s AND s.kind = %(kind)s AND s.reviewer = %(reviewer)s
  AND {open}
ORDER BY s.at, s.item_id LIMIT %(limit)s
"""
_SKIPPED_OPEN: Final = _SKIPPED.format(open=kept_from("s.item_id", answered_too=False))
_SKIPPED_ANSWERED: Final = _SKIPPED.format(open=kept_from("s.item_id", answered_too=True))


def skip(conn: Connection, pipeline: str, kind: str, item_id: str, reviewer: str) -> None:
    """Note that a person does not want to see an item now; forgets that person's skips that are over."""
    conn.execute(_FORGET_OLD, [pipeline, kind, reviewer])
    conn.execute(_SKIP, [pipeline, kind, reviewer, item_id])


def unskip(conn: Connection, pipeline: str, kind: str, item_id: str, reviewer: str) -> bool:
    """Take a skip back; returns whether there was one."""
    return conn.execute(_UNSKIP, [pipeline, kind, reviewer, item_id]).rowcount == 1


def skipped(
    conn: Connection, pipeline: str, kind: str, reviewer: str, *, enough: int, answered_too: bool
) -> list[str]:  # fmt: skip
    """Return what a person skipped and could decide on, the longest ago first. ``answered_too``: see ``kept_from``."""
    asked = _asked(pipeline, kind, reviewer, enough)
    return [found for (found,) in conn.execute(_SKIPPED_ANSWERED if answered_too else _SKIPPED_OPEN, asked)]


# --- reworks ----------------------------------------------------------------------------------------------------------

_REWORK: Final = """
INSERT INTO review_reworks (id, pipeline, kind, item_id, reviewer, reason) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (pipeline, kind, item_id) WHERE put_back_at IS NULL
    DO UPDATE SET reason = excluded.reason WHERE review_reworks.reviewer = excluded.reviewer
RETURNING id
"""
_PUT_BACK: Final = """
UPDATE review_reworks SET put_back_at = now(), put_back_by = %s
WHERE pipeline = %s AND kind = %s AND item_id = %s AND put_back_at IS NULL RETURNING id
"""
_IN_REWORK: Final = """
SELECT EXISTS (SELECT FROM review_reworks WHERE pipeline = %s AND kind = %s AND item_id = %s AND put_back_at IS NULL)
"""
_REWORKS: Final = """
SELECT id, item_id, reviewer, reason, at FROM review_reworks
WHERE pipeline = %(pipeline)s AND kind = %(kind)s AND put_back_at IS NULL
  AND (%(before)s::text IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s
"""


def rework(
    conn: Connection, rework_id: str, pipeline: str, kind: str, item_id: str, *, reviewer: str, reason: str
) -> str | None:
    """Send an item to rework; returns the rework's id. Said again by the same person, the reason is replaced.

    None: somebody else did so before.
    """
    row = conn.execute(_REWORK, [rework_id, pipeline, kind, item_id, reviewer, reason]).fetchone()
    return row[0] if row else None


def put_back(conn: Connection, pipeline: str, kind: str, item_id: str, *, by: str) -> str | None:
    """Put an item back into its queue; returns the rework's id, None when it was in none."""
    row = conn.execute(_PUT_BACK, [by, pipeline, kind, item_id]).fetchone()
    return row[0] if row else None


def in_rework(conn: Connection, pipeline: str, kind: str, item_id: str) -> bool:
    """Return whether an item waits to be put back."""
    row = conn.execute(_IN_REWORK, [pipeline, kind, item_id]).fetchone()
    return bool(row and row[0])


def list_reworks(conn: Connection, pipeline: str, kind: str, *, before: str | None, limit: int) -> list[Rework]:
    """Return what waits to be put back, the latest first; ``before`` is the last id of the page before."""
    with conn.cursor(row_factory=class_row(Rework)) as cursor:
        asked = {"pipeline": pipeline, "kind": kind, "before": before, "limit": limit}
        return cursor.execute(_REWORKS, asked).fetchall()


# --- assignments ------------------------------------------------------------------------------------------------------

_RESPONDED: Final = """
EXISTS (SELECT FROM review_responses r
        WHERE r.pipeline = a.pipeline AND r.kind = a.kind AND r.item_id = a.item_id AND r.reviewer = a.reviewer
          AND r.retracted_at IS NULL AND (a.queue = a.kind OR r.at >= a.at))
"""
_MAY_REVIEW: Final = """
SELECT EXISTS (SELECT FROM api_keys WHERE name = %s AND revoked_at IS NULL AND scopes && ARRAY['review', 'admin'])
"""
_ASSIGNMENT: Final = """
SELECT reviewer, done FROM review_assignments WHERE pipeline = %s AND kind = %s AND item_id = %s
"""
_ASSIGN: Final = """
INSERT INTO review_assignments AS a (pipeline, kind, item_id, reviewer, assigned_by, queue, place)
SELECT %(pipeline)s, %(kind)s, item_id, %(reviewer)s, %(by)s, %(queue)s, place
FROM unnest(%(items)s::text[]) WITH ORDINALITY AS t (item_id, place)
ON CONFLICT (pipeline, kind, item_id) DO UPDATE
    SET reviewer = excluded.reviewer, assigned_by = excluded.assigned_by, queue = excluded.queue, at = excluded.at,
        place = excluded.place, done = false
    WHERE a.done OR %(anyway)s
RETURNING item_id
"""
_SETTLE: Final = f"""
UPDATE review_assignments a SET done = {_RESPONDED}
WHERE a.pipeline = %s AND a.kind = %s AND a.item_id = ANY(%s) AND a.done <> {_RESPONDED}
"""
_RELEASE: Final = "DELETE FROM review_assignments WHERE pipeline = %s AND kind = %s AND item_id = %s"
_RELEASE_ALL: Final = """
DELETE FROM review_assignments WHERE pipeline = %s AND kind = %s AND reviewer = %s AND NOT done
"""
_RELEASE_GONE: Final = """
DELETE FROM review_assignments
WHERE reviewer = %(name)s AND NOT done
  AND NOT EXISTS (SELECT FROM api_keys WHERE name = %(name)s AND revoked_at IS NULL
                                         AND scopes && ARRAY['review', 'admin'])
"""
_COUNTS: Final = """
SELECT reviewer, count(*) FROM review_assignments
WHERE pipeline = %s AND kind = %s AND NOT done GROUP BY reviewer ORDER BY reviewer
"""
_ASSIGNED: Final = """
SELECT s.item_id FROM review_assignments s
WHERE s.pipeline = %(pipeline)s AND s.kind = %(kind)s AND s.reviewer = %(reviewer)s AND NOT s.done
  AND {open}
ORDER BY s.at, s.place LIMIT %(limit)s
"""
_ASSIGNED_OPEN: Final = _ASSIGNED.format(open=open_for("s.item_id"))
_ASSIGNED_ANSWERED: Final = _ASSIGNED.format(open=offered_to("s.item_id"))


def lock_assigning(conn: Connection, pipeline: str, kind: str) -> None:
    """Let nobody else assign the next items before this transaction ends: two would get the same ones."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"review-assign:{pipeline}:{kind}"])


def may_review(conn: Connection, name: str) -> bool:
    """Return whether there is a person of this name who may decide."""
    row = conn.execute(_MAY_REVIEW, [name]).fetchone()
    return bool(row and row[0])


def assignment_of(conn: Connection, pipeline: str, kind: str, item_id: str) -> Assignment | None:
    """Return whose an item is."""
    with conn.cursor(row_factory=class_row(Assignment)) as cursor:
        return cursor.execute(_ASSIGNMENT, [pipeline, kind, item_id]).fetchone()


def assign(
    conn: Connection, pipeline: str, kind: str, item_ids: Sequence[str],
    *, queue: str, reviewer: str, by: str, anyway: bool = False,
) -> list[str]:  # fmt: skip
    """Assign items of a queue to a person, to be served in this order; returns those that are that person's now.

    Left out are those of somebody else, unless ``anyway``. The items must be locked.
    """
    asked = {
        "pipeline": pipeline, "kind": kind, "items": list(item_ids), "reviewer": reviewer, "by": by, "queue": queue,
        "anyway": anyway,
    }  # fmt: skip
    assigned = [found for (found,) in conn.execute(_ASSIGN, asked)]
    settle_assignments(conn, pipeline, kind, assigned)
    return assigned


def settle_assignments(conn: Connection, pipeline: str, kind: str, item_ids: Sequence[str]) -> None:
    """Derive from the standing responses which of these items' assignments are done."""
    conn.execute(_SETTLE, [pipeline, kind, list(item_ids)])


def release(conn: Connection, pipeline: str, kind: str, item_id: str) -> bool:
    """Let an item be for everybody again; returns whether it was assigned."""
    return conn.execute(_RELEASE, [pipeline, kind, item_id]).rowcount == 1


def release_all(conn: Connection, pipeline: str, kind: str, reviewer: str) -> int:
    """Let what a person has not answered yet be for everybody again; returns how many items."""
    return conn.execute(_RELEASE_ALL, [pipeline, kind, reviewer]).rowcount


def release_gone(conn: Connection, name: str) -> None:
    """Let what a person has not answered be for everybody again, in all queues, unless that person may still decide."""
    conn.execute(_RELEASE_GONE, {"name": name})


def assigned(
    conn: Connection, pipeline: str, kind: str, reviewer: str, *, enough: int, answered_too: bool
) -> list[str]:  # fmt: skip
    """Return what is assigned to a person and waits for that person, in the order of assignment.

    ``answered_too``: the queue is for items that people have answered already.
    """
    asked = _asked(pipeline, kind, reviewer, enough)
    return [found for (found,) in conn.execute(_ASSIGNED_ANSWERED if answered_too else _ASSIGNED_OPEN, asked)]


def count_assigned(conn: Connection, pipeline: str, kind: str) -> dict[str, int]:
    """Count by person the items that are assigned and not answered yet by whom they are assigned to."""
    return dict(conn.execute(_COUNTS, [pipeline, kind]).fetchall())


def _asked(pipeline: str, kind: str, reviewer: str, enough: int) -> dict[str, Any]:
    return {
        "pipeline": pipeline, "kind": kind, "reviewer": reviewer, "enough": enough, "limit": MOST_LOOKED_AT,
    }  # fmt: skip
