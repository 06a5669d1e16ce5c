"""SQL of what a model said: ``ml.answers`` (the log), and what broke a rule.

``ml.offenders`` are the first texts that did, ``ml.negatives`` the answers that should have been given instead.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject
from shared.db.gold import queueing


@dataclass(frozen=True, kw_only=True)
class AnswerRow:
    """One row of ``ml.answers``. ``faults`` are those of ``first_text``: ``{"rule", "message"}`` each."""

    id: str
    source: str
    prediction_id: str | None
    example_id: str | None
    snapshot: JsonObject
    model_id: str | None
    model: str
    first_text: str
    faults: list[JsonObject]
    answer: JsonObject
    path: str
    job_id: str | None


@dataclass(frozen=True, kw_only=True)
class Offender:
    """One row of ``ml.offenders``: ``rejected`` is the text that broke rules."""

    id: str
    answer_id: str
    source: str
    example_id: str | None
    snapshot: JsonObject
    rejected: str
    faults: list[JsonObject]
    model_id: str | None
    prediction_id: str | None


@dataclass(frozen=True, kw_only=True)
class Negative:
    """One row of ``ml.negatives``: an offender and its correction."""

    id: str
    offender_id: str
    snapshot: JsonObject
    group_key: str
    rejected: str
    decision: str
    boundary: str
    why_this_now: str
    one_sentence_pattern: str
    confidence: str
    evidence: list[str]
    origin: str
    status: str = "draft"


_ANSWER: Final[LiteralString] = (
    "id, source, prediction_id, example_id, snapshot, model_id, model, first_text, faults, answer, path, job_id"
)
_OFFENDER: Final[LiteralString] = (
    "id, answer_id, source, example_id, snapshot, rejected, faults, model_id, prediction_id"
)
_NEGATIVE: Final[LiteralString] = (
    "id, offender_id, snapshot, group_key, rejected, decision, boundary, why_this_now, one_sentence_pattern,"
    " confidence, evidence, origin, status"
)

# An attempt that is made again gives the same answers under the same ids.
_PUT_ANSWER: Final[LiteralString] = (
    "INSERT INTO ml.answers (" + _ANSWER + ") VALUES (%(id)s, %(source)s, %(prediction_id)s, %(example_id)s,"
    " %(snapshot)s, %(model_id)s, %(model)s, %(first_text)s, %(faults)s, %(answer)s, %(path)s, %(job_id)s)"
    " ON CONFLICT (id) DO NOTHING"
)
_PUT_OFFENDER: Final[LiteralString] = (
    "INSERT INTO ml.offenders (" + _OFFENDER + ") VALUES (%(id)s, %(answer_id)s, %(source)s, %(example_id)s,"
    " %(snapshot)s, %(rejected)s, %(faults)s, %(model_id)s, %(prediction_id)s) ON CONFLICT (id) DO NOTHING"
)
# A correction may be made again until a person has approved it.
_PUT_NEGATIVE: Final[LiteralString] = (
    "INSERT INTO ml.negatives (" + _NEGATIVE + ", labelled_by) VALUES (%(id)s, %(offender_id)s, %(snapshot)s,"
    " %(group_key)s, %(rejected)s, %(decision)s, %(boundary)s, %(why_this_now)s, %(one_sentence_pattern)s,"
    " %(confidence)s, %(evidence)s, %(origin)s, 'draft', %(by)s)"
    " ON CONFLICT (id) DO UPDATE SET decision = excluded.decision, boundary = excluded.boundary,"
    " why_this_now = excluded.why_this_now, one_sentence_pattern = excluded.one_sentence_pattern,"
    " confidence = excluded.confidence, evidence = excluded.evidence, origin = excluded.origin,"
    " labelled_by = excluded.labelled_by, labelled_at = now() WHERE ml.negatives.status = 'draft'"
)
_APPROVE: Final = """
UPDATE ml.negatives SET status = 'approved', approved_by = %(by)s, approved_at = now()
WHERE status = 'draft' AND (%(ids)s::text[] IS NULL OR id = ANY(%(ids)s))
RETURNING id
"""


def put_answers(conn: Connection, rows: Sequence[AnswerRow]) -> None:
    """Log answers; one that is there already stays as it is."""
    with conn.cursor() as cursor:
        cursor.executemany(_PUT_ANSWER, [_values(row) for row in rows])
    queueing.note_doubts(conn, [row.example_id for row in rows if row.example_id])


def answers_of_job(conn: Connection, job_id: str) -> list[AnswerRow]:
    """Return the answers that a job has logged, in the order of their ids."""
    query: LiteralString = "SELECT " + _ANSWER + " FROM ml.answers WHERE job_id = %s ORDER BY id"
    with conn.cursor(row_factory=class_row(AnswerRow)) as cursor:
        return cursor.execute(query, [job_id]).fetchall()


def offending_answers(conn: Connection, *, source: str | None = None, model_id: str | None = None) -> list[AnswerRow]:
    """Return the answers whose first text broke a rule and which are no offenders yet, the oldest first."""
    query: LiteralString = (
        "SELECT " + _ANSWER + " FROM ml.answers a WHERE faults <> '[]'::jsonb"
        " AND (%(source)s::text IS NULL OR source = %(source)s)"
        " AND (%(model)s::text IS NULL OR model_id = %(model)s)"
        " AND NOT EXISTS (SELECT FROM ml.offenders o WHERE o.answer_id = a.id) ORDER BY created_at, id"
    )
    with conn.cursor(row_factory=class_row(AnswerRow)) as cursor:
        return cursor.execute(query, {"source": source, "model": model_id}).fetchall()


def put_offenders(conn: Connection, rows: Sequence[Offender]) -> int:
    """Store offenders; return how many were new."""
    with conn.cursor() as cursor:
        cursor.executemany(_PUT_OFFENDER, [_values(row) for row in rows])
        return cursor.rowcount if rows else 0


def list_offenders(conn: Connection, *, uncorrected: bool = False) -> list[Offender]:
    """Return offenders, the oldest first; ``uncorrected``: those without an approved correction."""
    query: LiteralString = (
        "SELECT " + _OFFENDER + " FROM ml.offenders o WHERE NOT %s OR NOT EXISTS"
        " (SELECT FROM ml.negatives n WHERE n.offender_id = o.id AND n.status = 'approved') ORDER BY created_at, id"
    )
    with conn.cursor(row_factory=class_row(Offender)) as cursor:
        return cursor.execute(query, [uncorrected]).fetchall()


def put_negatives(conn: Connection, rows: Sequence[Negative], by: str) -> int:
    """Store corrections as drafts, but over no approved one; return how many were written."""
    with conn.cursor() as cursor:
        cursor.executemany(_PUT_NEGATIVE, [{**_values(row), "by": by} for row in rows])
        return cursor.rowcount if rows else 0


def list_negatives(conn: Connection, status: str | None = None) -> list[Negative]:
    """Return corrections, in the order of their ids; of one status, if given."""
    query: LiteralString = (
        "SELECT " + _NEGATIVE + " FROM ml.negatives WHERE %(status)s::text IS NULL OR status = %(status)s ORDER BY id"
    )
    with conn.cursor(row_factory=class_row(Negative)) as cursor:
        return cursor.execute(query, {"status": status}).fetchall()


def approve_negatives(conn: Connection, by: str, negative_ids: Sequence[str] | None = None) -> list[str]:
    """Approve draft corrections, all or those with these ids; return the ids that were approved now."""
    values = {"by": by, "ids": None if negative_ids is None else list(negative_ids)}
    return [row[0] for row in conn.execute(_APPROVE, values)]


def _values(row: AnswerRow | Offender | Negative) -> JsonObject:
    values = asdict(row)
    return {name: Jsonb(value) if isinstance(value, dict | list) else value for name, value in values.items()}
