"""SQL of ``stage_rows``: what each stage was given, what it is to answer, and what a person said of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One row of ``stage_rows``. ``approved`` None: nobody has decided."""

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
    note: str | None


@dataclass(frozen=True, kw_only=True)
class NewRow:
    """A row that nobody has decided on; ``id`` derives from its content."""

    id: str
    stage: str
    industry: str | None
    group_key: str
    input: JsonObject
    output: JsonObject
    pack: str | None = None
    answered_by: str | None = None
    edited_from: str | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a person said of a row; ``industry`` None: as it is."""

    id: str
    approved: bool
    note: str
    industry: str | None = None


@dataclass(frozen=True, kw_only=True)
class StageCounts:
    """How the rows of a stage stand. ``trainable`` are those of the view ``stages_examples``."""

    stage: str
    rows: int
    approved: int
    rejected: int
    waiting: int
    trainable: int


_COLUMNS: Final[LiteralString] = (
    "id, stage, industry, group_key, input, output, source, pack, answered_by, approved, note"
)

# The id is the content: a conflict is the same row. It may tell an industry that was not known, and nothing else.
_PUT: Final = """
INSERT INTO stage_rows (id, stage, industry, group_key, input, output, source, pack, answered_by, edited_from)
SELECT *
FROM unnest(%(ids)s::text[], %(stages)s::text[], %(industries)s::text[], %(groups)s::text[], %(inputs)s::jsonb[],
    %(outputs)s::jsonb[], %(sources)s::text[], %(packs)s::text[], %(answerers)s::text[], %(edited)s::text[]) AS row
ORDER BY 1
ON CONFLICT (id) DO UPDATE SET industry = excluded.industry
WHERE stage_rows.industry IS NULL AND excluded.industry IS NOT NULL
RETURNING id, xmax = 0
"""

# the very same decision again changes nothing: neither who decided nor when
_DECIDE: Final = """
UPDATE stage_rows r SET approved = said.approved, note = said.note, industry = coalesce(said.industry, r.industry),
    decided_by = %(by)s, decided_at = now(), reviewed_as = NULL, industry_before = NULL,
    wants_more = false
FROM unnest(%(ids)s::text[], %(approved)s::boolean[], %(notes)s::text[], %(industries)s::text[])
    AS said (id, approved, note, industry)
WHERE r.id = said.id AND (r.approved, r.note, r.industry)
    IS DISTINCT FROM (said.approved, said.note, coalesce(said.industry, r.industry))
"""

_COUNT: Final = """
SELECT stage, count(*) AS rows,
       count(*) FILTER (WHERE approved) AS approved,
       count(*) FILTER (WHERE NOT approved) AS rejected,
       count(*) FILTER (WHERE approved IS NULL) AS waiting,
       (SELECT count(*) FROM stages_examples e WHERE e.surface = r.stage) AS trainable
FROM stage_rows r GROUP BY stage ORDER BY stage
"""

_WAITING: Final[LiteralString] = (
    "SELECT " + _COLUMNS + " FROM stage_rows"
    " WHERE approved IS NULL AND (cardinality(%(stages)s::text[]) = 0 OR stage = ANY(%(stages)s))"
    " ORDER BY stage, created_at, id LIMIT %(limit)s"
)


def put_rows(conn: Connection, rows: Sequence[NewRow], source: str) -> int:
    """Add rows that nobody has decided on; return how many were not there yet."""
    values = {
        "ids": [row.id for row in rows],
        "stages": [row.stage for row in rows],
        "industries": [row.industry for row in rows],
        "groups": [row.group_key for row in rows],
        "inputs": [Jsonb(row.input) for row in rows],
        "outputs": [Jsonb(row.output) for row in rows],
        "sources": [source] * len(rows),
        "packs": [row.pack for row in rows],
        "answerers": [row.answered_by for row in rows],
        "edited": [row.edited_from for row in rows],
    }
    return sum(new for _, new in conn.execute(_PUT, values))


def rows_of(conn: Connection, row_ids: Sequence[str]) -> dict[str, StageRow]:
    """Return the rows with these ids by id; those that are not there are left out."""
    query: LiteralString = "SELECT " + _COLUMNS + " FROM stage_rows WHERE id = ANY(%s)"
    with conn.cursor(row_factory=class_row(StageRow)) as cursor:
        return {row.id: row for row in cursor.execute(query, [list(row_ids)])}


def waiting_rows(conn: Connection, stages: Sequence[str], limit: int) -> list[StageRow]:
    """Return rows that nobody has decided on, the oldest of each stage first; no stages: of all."""
    with conn.cursor(row_factory=class_row(StageRow)) as cursor:
        return cursor.execute(_WAITING, {"stages": list(stages), "limit": limit}).fetchall()


def decide(conn: Connection, decisions: Sequence[Decision], by: str) -> int:
    """Store what a person said of rows; return how many decisions were new or different."""
    values = {
        "by": by,
        "ids": [decision.id for decision in decisions],
        "approved": [decision.approved for decision in decisions],
        "notes": [decision.note for decision in decisions],
        "industries": [decision.industry for decision in decisions],
    }
    return conn.execute(_DECIDE, values).rowcount


def counts(conn: Connection) -> dict[str, StageCounts]:
    """Return how the rows of each stage stand; stages without rows are left out."""
    with conn.cursor(row_factory=class_row(StageCounts)) as cursor:
        return {count.stage: count for count in cursor.execute(_COUNT)}


def approved_since(conn: Connection, stage: str, at: datetime | None) -> int:
    """Count a stage's trainable rows that were approved after a moment (None: ever)."""
    row = conn.execute(
        "SELECT count(*) FROM stages_examples WHERE surface = %s AND (%s::timestamptz IS NULL OR at > %s)",
        [stage, at, at],
    ).fetchone()
    return row[0] if row else 0


def approved_ids(conn: Connection, stage: str, row_ids: Sequence[str]) -> set[str]:
    """Return those of these ids that are trainable rows of a stage."""
    query = "SELECT id FROM stages_examples WHERE surface = %s AND id = ANY(%s)"
    return {row_id for (row_id,) in conn.execute(query, [stage, list(row_ids)])}
