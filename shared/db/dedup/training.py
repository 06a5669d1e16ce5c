"""SQL of what dedup's models are trained on: how many pairs people have decided, and the pairs themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import class_row

from shared.contracts import JsonObject


@dataclass(frozen=True, kw_only=True)
class LabelCounts:
    """How many decided pairs there are, and of how many clusters and components; ``conflicts`` are contradictions.

    ``approved``, ``partial`` and ``rejected`` count the clusters that gave labels, by what people said of them.
    """

    merge: int
    separate: int
    merge_clusters: int
    separate_clusters: int
    components: int
    conflicts: int
    approved: int
    partial: int
    rejected: int


@dataclass(frozen=True, kw_only=True)
class LabelledPair:
    """A decided pair: its id as an example, its component, its input and label as the loop reads them, and when."""

    id: str
    group: str
    a_id: str
    b_id: str
    cluster_id: str
    input: JsonObject
    label: str
    at: datetime


_COUNTS: Final = """
SELECT count(*) FILTER (WHERE label = 'merge' AND NOT conflict) AS merge,
       count(*) FILTER (WHERE label = 'separate' AND NOT conflict) AS separate,
       count(DISTINCT cluster_id) FILTER (WHERE label = 'merge' AND NOT conflict) AS merge_clusters,
       count(DISTINCT cluster_id) FILTER (WHERE label = 'separate' AND NOT conflict) AS separate_clusters,
       count(DISTINCT component) AS components,
       (SELECT count(*) FROM pair_conflicts) AS conflicts,
       count(DISTINCT cluster_id) FILTER (WHERE decision = 'approve') AS approved,
       count(DISTINCT cluster_id) FILTER (WHERE decision = 'partial') AS partial,
       count(DISTINCT cluster_id) FILTER (WHERE decision = 'reject') AS rejected
FROM pairs p
LEFT JOIN LATERAL (SELECT r.decision ->> 'decision' AS decision FROM review_responses r
                   WHERE r.id = p.decision_id) said ON true
"""
_PAIRS: Final = """
SELECT e.id, e."group", p.a AS a_id, p.b AS b_id, p.cluster_id, e.input, e.label, e.at
FROM dedup_examples e JOIN pairs p ON p.id = e.id
ORDER BY e.id
"""
_NEW: Final = """
SELECT count(*) FROM pairs
WHERE NOT conflict AND at > coalesce((SELECT max(created_at) FROM datasets WHERE pipeline = 'dedup'), '-infinity')
"""
_GROUPS: Final = """
SELECT "group", label, count(*) FROM dedup_examples GROUP BY "group", label
"""
_PAGE: Final = 1_000


def label_counts(conn: Connection) -> LabelCounts:
    """Count what people have decided."""
    with conn.cursor(row_factory=class_row(LabelCounts)) as cursor:
        found = cursor.execute(_COUNTS).fetchone()
    if found is None:
        raise LookupError("an aggregate gave no row")
    return found


def labelled_pairs(conn: Connection) -> Iterator[LabelledPair]:
    """Stream the decided pairs that contradict nothing, by id, through a cursor on the server."""
    with conn.cursor("labelled_pairs", row_factory=class_row(LabelledPair)) as cursor:
        cursor.itersize = _PAGE
        yield from cursor.execute(_PAIRS)


def new_pairs(conn: Connection) -> int:
    """Count the pairs that were decided after a dataset was frozen last."""
    row = conn.execute(_NEW).fetchone()
    return int(row[0]) if row else 0


def label_groups(conn: Connection) -> list[tuple[str, str, int]]:
    """Return the number of decided pairs of each component and label."""
    return conn.execute(_GROUPS).fetchall()
