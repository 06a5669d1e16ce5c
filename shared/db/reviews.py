"""SQL of what people decide about items of a pipeline: ``review_responses`` and ``review_reveals``."""

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


_COLUMNS: Final[LiteralString] = "id, item_id, reviewer, decision, blind, at, retracted_at"

# blind: whether that person had asked for the item's scores
_ADD: Final = """
INSERT INTO review_responses (id, pipeline, kind, item_id, reviewer, decision, note, blind, at)
SELECT %(id)s, %(pipeline)s, %(kind)s, %(item)s, %(reviewer)s, %(decision)s, %(note)s,
       NOT EXISTS (SELECT FROM review_reveals v WHERE v.pipeline = %(pipeline)s AND v.kind = %(kind)s
                   AND v.item_id = %(item)s AND v.reviewer = %(reviewer)s), clock_timestamp()
"""
_RETRACT: Final = """
UPDATE review_responses SET retracted_at = clock_timestamp(), retracted_by = %s
WHERE pipeline = %s AND kind = %s AND item_id = %s AND reviewer = %s AND retracted_at IS NULL
RETURNING id
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


def add(conn: Connection, new: NewResponse) -> None:
    """Store a response. The same person must have none about the item that stands: see ``retract``."""
    conn.execute(
        _ADD,
        {
            "id": new.id, "pipeline": new.pipeline, "kind": new.kind, "item": new.item_id, "reviewer": new.reviewer,
            "decision": Jsonb(new.decision), "note": new.note,
        },
    )  # fmt: skip


def retract(conn: Connection, pipeline: str, kind: str, item_id: str, reviewer: str, *, by: str) -> str | None:
    """Take back a person's standing response about an item; returns its id, or None when there is none."""
    row = conn.execute(_RETRACT, [by, pipeline, kind, item_id, reviewer]).fetchone()
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
