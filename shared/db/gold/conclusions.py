"""SQL of ``ml.gold``: what people concluded from snapshots, and drafts that rules wrote."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject
from shared.db.gold import queueing


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """The fields of an answer to one example."""

    example_id: str
    decision: str
    boundary: str
    why_this_now: str
    one_sentence_pattern: str
    confidence: str
    evidence: list[str]


@dataclass(frozen=True, kw_only=True)
class Decided:
    """An example with its conclusion, if it has one: then no field is None."""

    id: str
    snapshot: JsonObject
    window_from: date
    window_to: date
    decision: str | None
    boundary: str | None
    why_this_now: str | None
    one_sentence_pattern: str | None
    confidence: str | None
    evidence: list[str] | None
    origin: str | None
    status: str | None


@dataclass(frozen=True, kw_only=True)
class GoldCounts:
    """How many examples there are, and how they stand."""

    examples: int
    human: int
    machine: int
    drafts: int
    undecided: int


_PUT: Final[LiteralString] = """
INSERT INTO ml.gold (example_id, decision, boundary, why_this_now, one_sentence_pattern, confidence, evidence,
    origin, status, labelled_by, approved_by, approved_at)
VALUES (%(example_id)s, %(decision)s, %(boundary)s, %(why_this_now)s, %(one_sentence_pattern)s, %(confidence)s,
    %(evidence)s, %(origin)s, %(status)s, %(by)s,
    CASE %(status)s WHEN 'approved' THEN %(by)s END, CASE %(status)s WHEN 'approved' THEN now() END)
ON CONFLICT (example_id) DO UPDATE SET
    decision = excluded.decision, boundary = excluded.boundary, why_this_now = excluded.why_this_now,
    one_sentence_pattern = excluded.one_sentence_pattern, confidence = excluded.confidence,
    evidence = excluded.evidence, origin = excluded.origin, status = excluded.status,
    labelled_by = excluded.labelled_by, labelled_at = now(),
    approved_by = excluded.approved_by, approved_at = excluded.approved_at, response_id = NULL, replaced = NULL
"""
# the very same words again change nothing: neither who said them nor when
_UNLESS_SAME: Final[LiteralString] = """
WHERE (ml.gold.decision, ml.gold.boundary, ml.gold.why_this_now, ml.gold.one_sentence_pattern, ml.gold.confidence,
       ml.gold.evidence, ml.gold.origin, ml.gold.status)
   IS DISTINCT FROM (excluded.decision, excluded.boundary, excluded.why_this_now, excluded.one_sentence_pattern,
       excluded.confidence, excluded.evidence, excluded.origin, excluded.status)
"""
_UNLESS_DECIDED: Final[LiteralString] = " AND ml.gold.origin = 'machine' AND ml.gold.status = 'draft'"

_APPROVE: Final = """
UPDATE ml.gold SET status = 'approved', approved_by = %(by)s, approved_at = now()
WHERE status = 'draft' AND (origin = 'human' OR %(machine)s)
RETURNING origin, example_id
"""

_SELECT: Final[LiteralString] = """
SELECT e.id, e.snapshot, e.window_from, e.window_to, g.decision, g.boundary, g.why_this_now, g.one_sentence_pattern,
       g.confidence, g.evidence, g.origin, g.status
FROM ml.examples e LEFT JOIN ml.gold g ON g.example_id = e.id
"""

_COUNT: Final = """
SELECT count(*) AS examples,
       count(*) FILTER (WHERE g.status = 'approved' AND g.origin = 'human') AS human,
       count(*) FILTER (WHERE g.status = 'approved' AND g.origin = 'machine') AS machine,
       count(*) FILTER (WHERE g.status = 'draft') AS drafts,
       count(*) FILTER (WHERE g.status IS NULL) AS undecided
FROM ml.examples e LEFT JOIN ml.gold g ON g.example_id = e.id
"""


def put_human(conn: Connection, rows: Sequence[Conclusion], by: str) -> int:
    """Store what a person approved, over whatever was there; return how many changed something."""
    changed = _put(conn, _PUT + _UNLESS_SAME, rows, origin="human", status="approved", by=by)
    queueing.note_conclusions(conn, [row.example_id for row in rows])
    return changed


def put_machine(conn: Connection, rows: Sequence[Conclusion], by: str) -> int:
    """Store drafts that rules wrote, but over nothing else than such drafts; return how many changed something."""
    changed = _put(conn, _PUT + _UNLESS_SAME + _UNLESS_DECIDED, rows, origin="machine", status="draft", by=by)
    queueing.note_doubts(conn, [row.example_id for row in rows])
    return changed


def _put(
    conn: Connection, query: LiteralString, rows: Sequence[Conclusion], *, origin: str, status: str, by: str
) -> int:
    queueing.hold(conn, [row.example_id for row in rows])
    with conn.cursor() as cursor:
        cursor.executemany(
            query,
            [
                {**asdict(row), "evidence": Jsonb(row.evidence), "origin": origin, "status": status, "by": by}
                for row in rows
            ],
        )
        return cursor.rowcount if rows else 0


def approve_drafts(conn: Connection, by: str, *, include_machine: bool) -> dict[str, int]:
    """Approve the drafts of people, and those of rules when asked to; return how many of each origin."""
    approved = {"human": 0, "machine": 0}
    changed = conn.execute(_APPROVE, {"by": by, "machine": include_machine}).fetchall()
    for origin, _ in changed:
        approved[origin] += 1
    queueing.note_conclusions(conn, [example_id for origin, example_id in changed if origin == "human"])
    return approved


def replaceable(conn: Connection, *, everything: bool = False) -> list[Decided]:
    """Return the examples without an approved conclusion, or all of them, the latest window first."""
    query: LiteralString = _SELECT + (
        "WHERE %s OR g.status IS DISTINCT FROM 'approved' ORDER BY e.window_to DESC, e.window_from, e.id"
    )
    with conn.cursor(row_factory=class_row(Decided)) as cursor:
        return cursor.execute(query, [everything]).fetchall()


def counts(conn: Connection) -> GoldCounts:
    """Count the examples by how they stand."""
    with conn.cursor(row_factory=class_row(GoldCounts)) as cursor:
        return cursor.execute(_COUNT).fetchall()[0]
