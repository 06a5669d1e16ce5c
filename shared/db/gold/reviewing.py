"""SQL of one example that a person concludes from in a review: what is said of it, and what a response makes of it."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject
from shared.db.gold.conclusions import Conclusion
from shared.db.gold.queueing import Waiting, note_conclusions, note_doubts


@dataclass(frozen=True, kw_only=True)
class Said:
    """What an example's conclusion is now. ``response_id`` None: it came another way than by a review."""

    decision: str
    boundary: str
    why_this_now: str
    one_sentence_pattern: str
    confidence: str
    evidence: list[str]
    origin: str
    status: str
    response_id: str | None


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a model answered to an example. ``faults``: the rules that its first text broke, by name."""

    model: str
    model_id: str | None
    source: str
    path: str
    faults: list[str]
    answer: JsonObject
    at: datetime


_SHOWN: Final = "SELECT id, snapshot FROM ml.examples WHERE id = %s"
_SAID: Final = """
SELECT decision, boundary, why_this_now, one_sentence_pattern, confidence, evidence, origin, status, response_id
FROM ml.gold WHERE example_id = %s
"""
_ANSWERED: Final = """
SELECT model, model_id, source, path, answer, created_at AS at,
       ARRAY(SELECT fault ->> 'rule' FROM jsonb_array_elements(faults) AS fault) AS faults
FROM ml.answers WHERE example_id = %s ORDER BY created_at DESC, id DESC LIMIT %s
"""

# Over a machine's draft, which is kept for an undo, and over nothing else that came another way.
_PUT: Final = """
INSERT INTO ml.gold AS g (example_id, decision, boundary, why_this_now, one_sentence_pattern, confidence, evidence,
    origin, status, labelled_by, labelled_at, approved_by, approved_at, response_id)
VALUES (%(example_id)s, %(decision)s, %(boundary)s, %(why_this_now)s, %(one_sentence_pattern)s, %(confidence)s,
    %(evidence)s, 'human', 'approved', %(by)s, %(at)s, %(by)s, %(at)s, %(response)s)
ON CONFLICT (example_id) DO UPDATE SET
    decision = excluded.decision, boundary = excluded.boundary, why_this_now = excluded.why_this_now,
    one_sentence_pattern = excluded.one_sentence_pattern, confidence = excluded.confidence,
    evidence = excluded.evidence, origin = excluded.origin, status = excluded.status,
    labelled_by = excluded.labelled_by, labelled_at = excluded.labelled_at,
    approved_by = excluded.approved_by, approved_at = excluded.approved_at, response_id = excluded.response_id,
    replaced = CASE WHEN g.response_id IS NULL THEN to_jsonb(g) ELSE g.replaced END
WHERE g.response_id IS NOT NULL OR g.origin <> 'human' OR g.status <> 'approved'
"""
_TAKE_BACK: Final = "DELETE FROM ml.gold WHERE example_id = %s AND response_id IS NOT NULL RETURNING replaced"
_PUT_BACK: Final = "INSERT INTO ml.gold SELECT * FROM jsonb_populate_record(NULL::ml.gold, %s)"


def shown_example(conn: Connection, example_id: str) -> Waiting | None:
    """Return an example as it is asked about; None when there is none."""
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(_SHOWN, [example_id]).fetchone()


def said_of(conn: Connection, example_id: str) -> Said | None:
    """Return an example's conclusion, whoever drew it; None when there is none."""
    with conn.cursor(row_factory=class_row(Said)) as cursor:
        return cursor.execute(_SAID, [example_id]).fetchone()


def answers_of(conn: Connection, example_id: str, limit: int) -> list[Answered]:
    """Return what models answered to an example, the latest first."""
    with conn.cursor(row_factory=class_row(Answered)) as cursor:
        return cursor.execute(_ANSWERED, [example_id, limit]).fetchall()


def put_response(conn: Connection, row: Conclusion, *, by: str, at: datetime, response_id: str) -> None:
    """Make a person's response the example's conclusion, unless a file has brought a person's own."""
    values = {**asdict(row), "evidence": Jsonb(row.evidence), "by": by, "at": at, "response": response_id}
    conn.execute(_PUT, values)
    note_conclusions(conn, [row.example_id])


def take_back_response(conn: Connection, example_id: str) -> None:
    """Make an example's conclusion what it was before any response: a machine's draft, or nothing."""
    row = conn.execute(_TAKE_BACK, [example_id]).fetchone()
    if row and row[0] is not None:
        conn.execute(_PUT_BACK, [Jsonb(row[0])])
    note_conclusions(conn, [example_id])
    note_doubts(conn, [example_id])
