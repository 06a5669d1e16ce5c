"""SQL of the labels of pairs: what standing responses say (``pair_votes``), and what is derived from them.

All of it is written in the transaction that adds or retracts a response, by one transaction at a time (``lock``).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Vote:
    """What one person's standing response about an item says of a pair (``a`` < ``b``)."""

    a: str
    b: str
    label: str
    item_id: str
    decision_id: str
    person: str
    at: datetime


class Labelled(NamedTuple):
    """A labelled pair. ``vote``: the latest that says so, where the label is derived anew; None: it stays."""

    a: str
    b: str
    label: str
    id: str
    component: str
    conflict: bool
    vote: Vote | None


class Known(NamedTuple):
    """A pair that has a label."""

    a: str
    b: str
    label: str


class Conflict(NamedTuple):
    """Two insights that people keep separate, and the chain of merges from ``a`` to ``b``."""

    a: str
    b: str
    chain: list[str]


_FORGET: Final = "DELETE FROM pair_votes WHERE item_id = %s RETURNING a, b"
_VOTE: Final = """
INSERT INTO pair_votes (a, b, decision_id, item_id, label, person, at)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
"""
_VOTES: Final = """
SELECT v.a, v.b, v.label, v.item_id, v.decision_id, v.person, v.at
FROM pair_votes v JOIN unnest(%s::text[], %s::text[]) AS t (a, b) ON v.a = t.a AND v.b = t.b
ORDER BY v.at, v.decision_id
"""
_AROUND: Final = """
SELECT a, b, label FROM pairs
WHERE component IN (SELECT component FROM pairs WHERE a = ANY(%(ids)s) UNION
                    SELECT component FROM pairs WHERE b = ANY(%(ids)s))
ORDER BY a, b
"""
_BY_MACHINE: Final = """
SELECT least(m.id, m.insight_id), greatest(m.id, m.insight_id)
FROM merged_statements m JOIN insights i ON i.id = m.id
WHERE m.id = ANY(%(ids)s) OR m.insight_id = ANY(%(ids)s)
ORDER BY 1, 2
"""
_REMOVE: Final = """
DELETE FROM pairs p USING unnest(%s::text[], %s::text[]) AS t (a, b) WHERE p.a = t.a AND p.b = t.b
"""
_PUT: Final = """
INSERT INTO pairs (id, a, b, label, cluster_id, decision_id, person, at, component, conflict)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                     %s::timestamptz[], %s::text[], %s::boolean[])
ON CONFLICT (a, b) DO UPDATE SET label = excluded.label, cluster_id = excluded.cluster_id,
    decision_id = excluded.decision_id, person = excluded.person, at = excluded.at, component = excluded.component,
    conflict = excluded.conflict
"""
_MOVE: Final = """
UPDATE pairs p SET component = t.component, conflict = t.conflict
FROM unnest(%s::text[], %s::text[], %s::text[], %s::boolean[]) AS t (a, b, component, conflict)
WHERE p.a = t.a AND p.b = t.b AND (p.component, p.conflict) IS DISTINCT FROM (t.component, t.conflict)
"""
_SOLVED: Final = """
DELETE FROM pair_conflicts c USING unnest(%s::text[], %s::text[]) AS t (a, b) WHERE c.a = t.a AND c.b = t.b
"""
_CONTRADICT: Final = """
INSERT INTO pair_conflicts (a, b, chain, component)
SELECT p.a, p.b, %s, p.component FROM pairs p WHERE p.a = %s AND p.b = %s
ON CONFLICT (a, b) DO UPDATE SET chain = excluded.chain, component = excluded.component
"""
# the canonical one of a group is the one that came first
_MERGE: Final = """
WITH grouped AS (
    SELECT i.id, first_value(i.id) OVER (PARTITION BY t.place ORDER BY i.number) AS canonical
    FROM unnest(%s::text[], %s::integer[]) AS t (id, place) JOIN insights i ON i.id = t.id
)
UPDATE insights i SET merged_into = nullif(g.canonical, i.id)
FROM grouped g WHERE i.id = g.id AND i.merged_into IS DISTINCT FROM nullif(g.canonical, i.id)
"""
# a source follows its statement when a person parts it from what a model merged it with, and back
_FOLLOW: Final = """
WITH wanted AS (
    SELECT m.id, CASE WHEN p.label = 'separate' THEN m.id ELSE m.insight_id END AS insight_id
    FROM merged_statements m
    LEFT JOIN pairs p ON p.a = least(m.id, m.insight_id) AND p.b = greatest(m.id, m.insight_id)
    WHERE m.id = ANY(%s)
)
UPDATE insight_sources s SET insight_id = w.insight_id
FROM wanted w WHERE s.merged_from = w.id AND s.insight_id <> w.insight_id
"""


def lock(conn: Connection) -> None:
    """Let no other transaction derive labels before this one ends."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('dedup.pairs', 0))")


def replace_votes(conn: Connection, item_id: str, votes: Sequence[Vote]) -> set[Pair]:
    """Put these votes in the place of those about an item before; returns all pairs that either are about."""
    before = {(a, b) for a, b in conn.execute(_FORGET, [item_id])}
    columns = [
        [v.a for v in votes], [v.b for v in votes], [v.decision_id for v in votes], [v.item_id for v in votes],
        [v.label for v in votes], [v.person for v in votes], [v.at for v in votes],
    ]  # fmt: skip
    conn.execute(_VOTE, columns)
    return before | {(v.a, v.b) for v in votes}


def votes_about(conn: Connection, pairs: Collection[Pair]) -> list[Vote]:
    """Return all votes about these pairs, oldest first."""
    with conn.cursor(row_factory=class_row(Vote)) as cursor:
        return cursor.execute(_VOTES, _columns(sorted(pairs))).fetchall()


def labelled_around(conn: Connection, insight_ids: Collection[str]) -> list[Known]:
    """Return the labelled pairs of all components that these insights are in."""
    return [Known(*row) for row in conn.execute(_AROUND, {"ids": sorted(insight_ids)})]


def merged_by_machine(conn: Connection, insight_ids: Collection[str]) -> list[Pair]:
    """Return the pairs with one of these insights that a model merged, where both are insights by now."""
    return [(a, b) for a, b in conn.execute(_BY_MACHINE, {"ids": sorted(insight_ids)})]


def write_labels(conn: Connection, labelled: Sequence[Labelled], removed: Collection[Pair]) -> None:
    """Write what pairs are labelled now, and remove those that have no label any more."""
    conn.execute(_REMOVE, _columns(sorted(removed)))
    derived = [(row, row.vote) for row in labelled if row.vote is not None]
    conn.execute(
        _PUT,
        [
            [row.id for row, _ in derived], [row.a for row, _ in derived], [row.b for row, _ in derived],
            [row.label for row, _ in derived], [vote.item_id for _, vote in derived],
            [vote.decision_id for _, vote in derived], [vote.person for _, vote in derived],
            [vote.at for _, vote in derived], [row.component for row, _ in derived],
            [row.conflict for row, _ in derived],
        ],
    )  # fmt: skip
    stay = [row for row in labelled if row.vote is None]
    columns = [[row.a for row in stay], [row.b for row in stay]]
    conn.execute(_MOVE, [*columns, [row.component for row in stay], [row.conflict for row in stay]])


def write_conflicts(conn: Connection, pairs: Iterable[Pair], conflicts: Sequence[Conflict]) -> None:
    """Write the contradictions among these pairs, which are all of their components; others are solved."""
    now = {(found.a, found.b) for found in conflicts}
    conn.execute(_SOLVED, _columns(sorted(set(pairs) - now)))
    for found in conflicts:
        conn.execute(_CONTRADICT, [found.chain, found.a, found.b])


def write_merges(conn: Connection, groups: Sequence[Sequence[str]]) -> None:
    """Let the insights of each group be merged into the one that came first; sources follow their statements."""
    ids = [each for group in groups for each in group]
    places = [place for place, group in enumerate(groups) for _ in group]
    conn.execute(_MERGE, [ids, places])
    conn.execute(_FOLLOW, [ids])


def _columns(pairs: Sequence[Pair]) -> list[list[str]]:
    return [[a for a, _ in pairs], [b for _, b in pairs]]
