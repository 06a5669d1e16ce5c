"""SQL of clusters: which stand, which may change, and which pairs nobody is to be asked about again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from psycopg import Connection


@dataclass(frozen=True, kw_only=True)
class ClusterRow:
    """A cluster as it is written: its insights (sorted), and how similar its pairs are (cosine)."""

    id: str
    members: tuple[str, ...]
    similarity_min: float
    similarity_mean: float
    similarity_max: float


class StoredCluster(NamedTuple):
    """A cluster as it is stored: its state (open, decided, retired) and its insights, sorted."""

    state: str
    members: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Clustered:
    """How clusters were made."""

    embedding_model: str
    linkage: Literal["complete", "average"]
    threshold: float
    job_id: str


_ANSWERED: Final = """
(c.state = 'decided' OR EXISTS (
    SELECT FROM review_responses r
    WHERE r.pipeline = 'dedup' AND r.kind = 'clusters' AND r.item_id = c.id AND r.retracted_at IS NULL))
"""
# An insight that was merged is spoken for by the one that it was merged into.
_APART: Final = f"""
WITH asked AS (
    SELECT a, b FROM pairs
    UNION
    SELECT m.insight_id, n.insight_id
    FROM clusters c
    JOIN cluster_members m ON m.cluster_id = c.id
    JOIN cluster_members n ON n.cluster_id = c.id AND m.insight_id < n.insight_id
    WHERE {_ANSWERED} OR (c.state = 'open' AND c.origin = 'ingest')
)
SELECT DISTINCT least(one, two), greatest(one, two)
FROM (SELECT coalesce(i.merged_into, i.id) AS one, coalesce(j.merged_into, j.id) AS two
      FROM asked JOIN insights i ON i.id = asked.a JOIN insights j ON j.id = asked.b) AS spoken
WHERE one <> two
"""
_LOCK: Final = "SELECT FROM clusters WHERE state = 'open' ORDER BY id FOR UPDATE"
_CHANGEABLE: Final = f"""
SELECT c.id, c.state, array_agg(m.insight_id ORDER BY m.insight_id)
FROM clusters c JOIN cluster_members m ON m.cluster_id = c.id
WHERE c.state = 'open' AND c.origin = 'clustering' AND NOT {_ANSWERED}
GROUP BY c.id
"""
_STORED: Final = """
SELECT c.id, c.state, array_remove(array_agg(m.insight_id ORDER BY m.insight_id), NULL)
FROM clusters c LEFT JOIN cluster_members m ON m.cluster_id = c.id
WHERE c.id = ANY(%s) GROUP BY c.id
"""
_MERGED: Final = "SELECT id FROM insights WHERE id = ANY(%s) AND merged_into IS NOT NULL"
_PUT: Final = """
INSERT INTO clusters (id, origin, embedding_model, linkage, threshold, job_id,
                      similarity_min, similarity_mean, similarity_max)
SELECT id, 'clustering', %s, %s, %s, %s, low, mean, high
FROM unnest(%s::text[], %s::real[], %s::real[], %s::real[]) AS t (id, low, mean, high)
ON CONFLICT (id) DO UPDATE SET state = 'open', embedding_model = excluded.embedding_model,
    linkage = excluded.linkage, threshold = excluded.threshold, job_id = excluded.job_id,
    similarity_min = excluded.similarity_min, similarity_mean = excluded.similarity_mean,
    similarity_max = excluded.similarity_max, merge_probability = NULL, updated_at = now()
"""
_REFRESH: Final = """
UPDATE clusters c SET embedding_model = %s, linkage = %s, threshold = %s,
    similarity_min = t.low, similarity_mean = t.mean, similarity_max = t.high
FROM unnest(%s::text[], %s::real[], %s::real[], %s::real[]) AS t (id, low, mean, high)
WHERE c.id = t.id
"""
_EMPTY: Final = "DELETE FROM cluster_members WHERE cluster_id = ANY(%s)"
_FILL: Final = """
INSERT INTO cluster_members (cluster_id, insight_id) SELECT * FROM unnest(%s::text[], %s::text[])
"""
# the mean of what models said last of its pairs, where they were asked
_ASKED: Final = """
UPDATE clusters c SET merge_probability = found.mean
FROM (
    SELECT m.cluster_id, avg(p.merge_probability) AS mean
    FROM cluster_members m
    JOIN cluster_members n ON n.cluster_id = m.cluster_id AND m.insight_id < n.insight_id
    CROSS JOIN LATERAL (
        SELECT pp.merge_probability FROM pair_predictions pp
        WHERE pp.insight1_id = m.insight_id AND pp.insight2_id = n.insight_id
        ORDER BY pp.prediction_id DESC LIMIT 1) AS p
    WHERE m.cluster_id = ANY(%s) GROUP BY m.cluster_id
) AS found
WHERE c.id = found.cluster_id
"""
_RETIRE: Final = "UPDATE clusters SET state = 'retired', updated_at = now() WHERE id = ANY(%s) AND state = 'open'"


def kept_apart(conn: Connection) -> set[tuple[str, str]]:
    """Return the pairs (sorted) that people are not to be asked about: decided, answered, or asked about now.

    Asked about now are the pairs of clusters that somebody has answered, and of proposals about new insights. Of
    insights that were merged, those that speak for them are named.
    """
    return {(a, b) for a, b in conn.execute(_APART)}


def lock_open_clusters(conn: Connection) -> None:
    """Let nobody decide on open clusters until the transaction ends."""
    conn.execute(_LOCK)


def changeable_clusters(conn: Connection) -> dict[str, StoredCluster]:
    """Return the open clusters that clustering made and nobody has answered."""
    return {key: StoredCluster(state, tuple(members)) for key, state, members in conn.execute(_CHANGEABLE)}


def stored_clusters(conn: Connection, cluster_ids: Sequence[str]) -> dict[str, StoredCluster]:
    """Return those of these clusters that there are, in whatever state."""
    found = conn.execute(_STORED, [list(cluster_ids)])
    return {key: StoredCluster(state, tuple(members)) for key, state, members in found}


def merged_among(conn: Connection, insight_ids: Sequence[str]) -> set[str]:
    """Return those of these insights that were merged into others."""
    return {found for (found,) in conn.execute(_MERGED, [list(insight_ids)])}


def put_clusters(conn: Connection, rows: Sequence[ClusterRow], how: Clustered) -> None:
    """Write clusters, new ones and such that have other members now; they are open."""
    ids = [row.id for row in rows]
    conn.execute(_PUT, [how.embedding_model, how.linkage, how.threshold, how.job_id, *_columns(rows)])
    conn.execute(_EMPTY, [ids])
    pairs = [(row.id, member) for row in rows for member in row.members]
    conn.execute(_FILL, [[one for one, _ in pairs], [two for _, two in pairs]])
    conn.execute(_ASKED, [ids])


def refresh_clusters(conn: Connection, rows: Sequence[ClusterRow], how: Clustered) -> None:
    """Write the figures of clusters whose members are the same as before."""
    conn.execute(_REFRESH, [how.embedding_model, how.linkage, how.threshold, *_columns(rows)])
    conn.execute(_ASKED, [[row.id for row in rows]])


def _columns(rows: Sequence[ClusterRow]) -> list[list[str] | list[float]]:
    return [
        [row.id for row in rows],
        [row.similarity_min for row in rows],
        [row.similarity_mean for row in rows],
        [row.similarity_max for row in rows],
    ]


def retire_clusters(conn: Connection, cluster_ids: Sequence[str]) -> None:
    """Let clusters be asked about no more: their insights are in others, or nowhere close."""
    conn.execute(_RETIRE, [list(cluster_ids)])
