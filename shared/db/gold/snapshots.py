"""SQL of ``ml.examples``: snapshots of a business, by ids that derive from their content."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.contracts import JsonObject
from shared.db.gold import queueing


@dataclass(frozen=True, kw_only=True)
class Example:
    """One row of ``ml.examples``: ``snapshot`` is its JSON, ``group_key`` keeps windows that overlap in one split."""

    id: str
    snapshot: JsonObject
    group_key: str
    window_from: date
    window_to: date


@dataclass(frozen=True, kw_only=True)
class Reseeded:
    """What a reseed changed: ids that are new, known already, or gone; ``kept`` are gone but a person decided them."""

    new: int
    known: int
    removed: int
    kept: int


_COLUMNS: Final[LiteralString] = "e.id, e.snapshot, e.group_key, e.window_from, e.window_to"

# xmax is 0 in a row that was inserted just now
_PUT: Final = """
INSERT INTO ml.examples (id, snapshot, group_key, window_from, window_to, reports)
SELECT id, snapshot, group_key, window_from, window_to, %(reports)s
FROM unnest(%(ids)s::text[], %(snapshots)s::jsonb[], %(groups)s::text[], %(firsts)s::date[], %(lasts)s::date[])
    AS row (id, snapshot, group_key, window_from, window_to)
ON CONFLICT (id) DO UPDATE SET group_key = excluded.group_key, reports = excluded.reports
RETURNING xmax = 0, id
"""

_HUMAN: Final[LiteralString] = (
    "EXISTS (SELECT FROM ml.gold g WHERE g.example_id = e.id AND g.origin = 'human' AND g.status = 'approved')"
)
_REMOVE: Final[LiteralString] = "DELETE FROM ml.examples e WHERE id <> ALL(%(ids)s) AND NOT " + _HUMAN
_COUNT_KEPT: Final[LiteralString] = "SELECT count(*) FROM ml.examples WHERE id <> ALL(%(ids)s)"


def put_examples(conn: Connection, rows: Sequence[Example], reports: str) -> Reseeded:
    """Make these the examples. Others go, unless a person's approval rests on them.

    ``reports`` is the hash of what they were read from.
    """
    values = {
        "reports": reports,
        "ids": [row.id for row in rows],
        "snapshots": [Jsonb(row.snapshot) for row in rows],
        "groups": [row.group_key for row in rows],
        "firsts": [row.window_from for row in rows],
        "lasts": [row.window_to for row in rows],
    }
    written = conn.execute(_PUT, values).fetchall()
    new = [found for inserted, found in written if inserted]
    queueing.note_doubts(conn, new)
    removed = conn.execute(_REMOVE, values).rowcount
    kept = conn.execute(_COUNT_KEPT, values).fetchone()
    return Reseeded(new=len(new), known=len(written) - len(new), removed=removed, kept=kept[0] if kept else 0)


def examples(conn: Connection, example_ids: Sequence[str]) -> list[Example]:
    """Return the examples with these ids, in the order of their ids; those that are not there are left out."""
    query: LiteralString = "SELECT " + _COLUMNS + " FROM ml.examples e WHERE e.id = ANY(%s) ORDER BY e.id"
    with conn.cursor(row_factory=class_row(Example)) as cursor:
        return cursor.execute(query, [list(example_ids)]).fetchall()


def latest_examples(conn: Connection, limit: int, *, undecided: bool = False) -> list[Example]:
    """Return the examples of the latest windows first; ``undecided``: only those without an approved conclusion."""
    query: LiteralString = (
        "SELECT " + _COLUMNS + " FROM ml.examples e WHERE NOT %(undecided)s OR NOT EXISTS"
        " (SELECT FROM ml.gold g WHERE g.example_id = e.id AND g.status = 'approved')"
        " ORDER BY e.window_to DESC, e.window_from, e.id LIMIT %(limit)s"
    )
    with conn.cursor(row_factory=class_row(Example)) as cursor:
        return cursor.execute(query, {"undecided": undecided, "limit": limit}).fetchall()


def snapshots_of(conn: Connection, example_ids: Sequence[str]) -> dict[str, JsonObject]:
    """Return the snapshots of those ids that are examples."""
    return {example.id: example.snapshot for example in examples(conn, example_ids)}


def example_ids(conn: Connection) -> set[str]:
    """Return the ids of all examples."""
    return {row[0] for row in conn.execute("SELECT id FROM ml.examples")}


def group_of(conn: Connection, example_id: str) -> str | None:
    """Return an example's group, or None when there is no such example."""
    row = conn.execute("SELECT group_key FROM ml.examples WHERE id = %s", [example_id]).fetchone()
    return row[0] if row else None
