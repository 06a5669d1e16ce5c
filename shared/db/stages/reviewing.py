"""SQL of the rows that people decide on one by one: the queue, and what a response makes of a row.

What a response decided is marked (``reviewed_as``), so that an undo takes back that and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from shared.contracts import JsonObject
from shared.db.reviews import open_for, open_for_all
from shared.db.stages.rows import Decision

_KIND: Final[dict[str, Any]] = {"pipeline": "stages", "kind": "rows"}


@dataclass(frozen=True, kw_only=True)
class AskedRow:
    """A row as a person is asked about it. ``reviewed_as``: by whose review it was decided, None: by none."""

    id: str
    stage: str
    industry: str | None
    group_key: str
    input: JsonObject
    output: JsonObject
    source: str
    pack: str | None
    answered_by: str | None
    approved: bool | None
    reviewed_as: str | None


_COLUMNS: Final = (
    "r.id, r.stage, r.industry, r.group_key, r.input, r.output, r.source, r.pack, r.answered_by, r.approved,"
    " r.reviewed_as"
)
_WAITS: Final = "(r.approved IS NULL OR r.wants_more)"

# A walk along the index of what waits, so that the next row costs the same however many there are.
_WAITING: Final = f"""
SELECT {_COLUMNS} FROM stage_rows r WHERE {_WAITS} AND {open_for("r.id")}
ORDER BY r.doubt, r.created_at, r.id LIMIT %(limit)s
"""
_COUNT: Final = f"""
SELECT count(*) FROM (SELECT FROM stage_rows r WHERE {_WAITS} AND {open_for_all("r.id")} LIMIT %(cap)s) AS found
"""
_OPEN: Final = f"SELECT r.id FROM stage_rows r WHERE r.id = ANY(%s) AND {_WAITS}"
_ASKED: Final = f"SELECT {_COLUMNS} FROM stage_rows r WHERE r.id = %s"
_HOLD: Final = f"{_ASKED} FOR UPDATE"

_DROP_EDIT: Final = """
DELETE FROM stage_rows r
WHERE reviewed_as = %(id)s AND edited_from = %(id)s AND source = 'edit'
  AND NOT EXISTS (SELECT FROM stage_rows other WHERE other.edited_from = r.id)
"""
_TAKE_BACK: Final = """
UPDATE stage_rows SET approved = NULL, note = NULL, decided_by = NULL, decided_at = NULL, industry = industry_before,
    industry_before = NULL, reviewed_as = NULL, wants_more = false
WHERE reviewed_as = %(id)s
"""
# What came another way (by a file) stays as it is.
_DECIDE: Final = """
UPDATE stage_rows r SET approved = said.approved, note = said.note, industry = coalesce(said.industry, r.industry),
    industry_before = r.industry, decided_by = %(by)s, decided_at = %(at)s, reviewed_as = %(as)s
FROM unnest(%(ids)s::text[], %(approved)s::boolean[], %(notes)s::text[], %(industries)s::text[])
    AS said (id, approved, note, industry)
WHERE r.id = said.id AND r.approved IS NULL
"""
_WANT_MORE: Final = "UPDATE stage_rows SET wants_more = true WHERE id = %s AND reviewed_as = %s"


def rows_to_review(conn: Connection, reviewer: str, limit: int, *, enough: int) -> list[AskedRow]:
    """Return the rows that a person should decide on next: those whose answer is least sure first, then the oldest."""
    asked = {**_KIND, "reviewer": reviewer, "limit": limit, "enough": enough}
    with conn.cursor(row_factory=class_row(AskedRow)) as cursor:
        return cursor.execute(_WAITING, asked).fetchall()


def count_rows_to_review(conn: Connection, cap: int, *, enough: int) -> int:
    """Count the rows that wait for anybody, up to a cap."""
    row = conn.execute(_COUNT, {**_KIND, "enough": enough, "cap": cap}).fetchone()
    return row[0] if row else 0


def open_rows(conn: Connection, row_ids: Sequence[str]) -> set[str]:
    """Return those of these rows that still wait for a decision."""
    return {found for (found,) in conn.execute(_OPEN, [list(row_ids)])}


def asked_row(conn: Connection, row_id: str, *, hold: bool = False) -> AskedRow | None:
    """Return a row, None when there is none. ``hold``: and keep it as it is until the transaction ends."""
    with conn.cursor(row_factory=class_row(AskedRow)) as cursor:
        return cursor.execute(_HOLD if hold else _ASKED, [row_id]).fetchone()


def take_back_review(conn: Connection, row_id: str) -> None:
    """Let a row, and the one that its answer was rewritten to, be as if no response had decided on it."""
    conn.execute(_DROP_EDIT, {"id": row_id})
    conn.execute(_TAKE_BACK, {"id": row_id})


def decide_reviewed(
    conn: Connection, row_id: str, decisions: Sequence[Decision], *, by: str, at: datetime, enough: bool
) -> None:
    """Store what a response about a row decides. ``enough`` False: the row waits for more people still."""
    values = {
        "as": row_id,
        "by": by,
        "at": at,
        "ids": [decision.id for decision in decisions],
        "approved": [decision.approved for decision in decisions],
        "notes": [decision.note for decision in decisions],
        "industries": [decision.industry for decision in decisions],
    }
    conn.execute(_DECIDE, values)
    if not enough:
        conn.execute(_WANT_MORE, [row_id, row_id])
