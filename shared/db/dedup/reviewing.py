"""SQL of what people are asked: clusters that wait, and statements that a model merged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from shared.contracts import JsonObject
from shared.db.reviews import open_for, open_for_all

_CLUSTERS: Final[dict[str, Any]] = {"pipeline": "dedup", "kind": "clusters"}
_MERGES: Final[dict[str, Any]] = {"pipeline": "dedup", "kind": "merges"}


@dataclass(frozen=True, kw_only=True)
class Told:
    """A statement as it is shown to a person, with where it comes from: ``{"source", "locator"}`` each."""

    item_id: str
    id: str
    statement: str
    sources: list[JsonObject]


@dataclass(frozen=True, kw_only=True)
class ClusterScores:
    """What is known of a cluster besides its statements. ``pairs``: similarity and predictions of pairs."""

    similarity_min: float
    similarity_mean: float
    similarity_max: float
    merge_probability: float | None
    origin: str
    pairs: list[JsonObject]


@dataclass(frozen=True, kw_only=True)
class Merged:
    """A statement that a model merged with an insight."""

    id: str
    insight_id: str
    confidence: float
    prediction_id: str | None


# what a person could still tell of it; OFFSET 0 keeps it a probe for one cluster
_OPEN: Final[LiteralString] = """
    c.state = 'open'
    AND EXISTS (SELECT FROM cluster_members m JOIN cluster_members n
                    ON n.cluster_id = m.cluster_id AND m.insight_id < n.insight_id
                WHERE m.cluster_id = c.id
                  AND NOT EXISTS (SELECT FROM pairs p WHERE p.a = m.insight_id AND p.b = n.insight_id)
                OFFSET 0)
"""
_WAITS: Final[LiteralString] = f"{_OPEN} AND {open_for('c.id')}"
# Four walks away from even odds, along an index each, so that the next items cost the same however many wait. A place
# among those of its class, then the class of which fewer pairs were labelled lately: both classes by turns.
_WAITING: Final = f"""
WITH walks AS (
    (SELECT c.id, true AS likely, c.merge_probability - 0.5 AS away FROM clusters c
     WHERE c.merge_probability >= 0.5 AND {_WAITS} ORDER BY c.merge_probability, c.id LIMIT %(limit)s)
    UNION ALL
    (SELECT c.id, false, 0.5 - c.merge_probability FROM clusters c
     WHERE c.merge_probability < 0.5 AND {_WAITS} ORDER BY c.merge_probability DESC, c.id DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT c.id, true, 1 / (1 + exp(-%(slope)s * (c.similarity_mean - %(even)s))) - 0.5 FROM clusters c
     WHERE c.merge_probability IS NULL AND c.similarity_mean >= %(even)s AND {_WAITS}
     ORDER BY c.similarity_mean, c.id LIMIT %(limit)s)
    UNION ALL
    (SELECT c.id, false, 0.5 - 1 / (1 + exp(-%(slope)s * (c.similarity_mean - %(even)s))) FROM clusters c
     WHERE c.merge_probability IS NULL AND c.similarity_mean < %(even)s AND {_WAITS}
     ORDER BY c.similarity_mean DESC, c.id DESC LIMIT %(limit)s)
), placed AS (
    SELECT id, likely, row_number() OVER (PARTITION BY likely ORDER BY away, id) AS place FROM walks
), lately AS (
    SELECT count(*) FILTER (WHERE label = 'merge') <= count(*) / 2 AS merges_first
    FROM (SELECT label FROM pairs ORDER BY at DESC LIMIT 200) AS latest
)
SELECT id FROM placed, lately ORDER BY place, likely <> merges_first, id LIMIT %(limit)s
"""
_SOURCES: Final[LiteralString] = """
    coalesce((SELECT jsonb_agg(jsonb_build_object('source', s.name, 'locator', l.locator) ORDER BY s.name, l.locator)
              FROM (SELECT DISTINCT source_id, locator FROM insight_sources WHERE {link} LIMIT 10) AS l
              JOIN sources s ON s.id = l.source_id), '[]') AS sources
"""
_OF_CLUSTERS: Final = f"""
SELECT m.cluster_id AS item_id, i.id, i.statement, {_SOURCES.format(link="insight_id = i.id")}
FROM cluster_members m JOIN insights i ON i.id = m.insight_id
WHERE m.cluster_id = ANY(%s) ORDER BY m.cluster_id, i.id
"""
_LOCK: Final = "SELECT state FROM clusters WHERE id = %s FOR UPDATE"
_MEMBERS: Final = "SELECT insight_id FROM cluster_members WHERE cluster_id = %s ORDER BY insight_id"
_SET_STATE: Final = """
UPDATE clusters SET state = %s, updated_at = now() WHERE id = %s AND state <> 'retired' AND state <> %s
"""
_SCORES: Final = """
SELECT similarity_min, similarity_mean, similarity_max, merge_probability, origin,
       coalesce((SELECT jsonb_agg(jsonb_build_object(
                     'a', i.id, 'b', j.id,
                     'similarity', CASE WHEN i.embedding_model = j.embedding_model
                                        THEN round((1 - (i.embedding <=> j.embedding))::numeric, 4) END,
                     'merge_probability', (SELECT pp.merge_probability FROM pair_predictions pp
                                           WHERE pp.insight1_id = i.id AND pp.insight2_id = j.id
                                           ORDER BY pp.prediction_id DESC LIMIT 1)
                 ) ORDER BY i.id, j.id)
                 FROM cluster_members m JOIN cluster_members n
                     ON n.cluster_id = m.cluster_id AND m.insight_id < n.insight_id
                 JOIN insights i ON i.id = m.insight_id JOIN insights j ON j.id = n.insight_id
                 WHERE m.cluster_id = c.id), '[]') AS pairs
FROM clusters c WHERE id = %s
"""
_CLUSTERS_OPEN: Final = f"SELECT c.id FROM clusters c WHERE c.id = ANY(%s) AND {_OPEN}"
_CLUSTERS_COUNT: Final = f"""
SELECT count(*) FROM (SELECT FROM clusters c WHERE {_OPEN} AND {open_for_all("c.id")} LIMIT %(cap)s) AS found
"""
_MERGES_WAITING: Final = f"""
SELECT m.id FROM merged_statements m WHERE NOT m.decided AND {open_for("m.id")}
ORDER BY m.confidence, m.id LIMIT %(limit)s
"""
_MERGES_COUNT: Final = f"""
SELECT count(*) FROM (
    SELECT FROM merged_statements m WHERE NOT m.decided AND {open_for_all("m.id")} LIMIT %(cap)s) AS found
"""
_MERGES_OPEN: Final = "SELECT id FROM merged_statements WHERE id = ANY(%s) AND NOT decided"
_SET_DECIDED: Final = "UPDATE merged_statements SET decided = %s WHERE id = %s AND decided <> %s"
_OF_MERGES: Final = f"""
SELECT m.id AS item_id, m.id, m.statement, {_SOURCES.format(link="merged_from = m.id")}
FROM merged_statements m WHERE m.id = ANY(%(ids)s)
UNION ALL
SELECT m.id, i.id, i.statement, {_SOURCES.format(link="insight_id = i.id AND merged_from IS NULL")}
FROM merged_statements m JOIN insights i ON i.id = m.insight_id WHERE m.id = ANY(%(ids)s)
ORDER BY 1, 2
"""
_MERGED: Final[LiteralString] = "SELECT id, insight_id, confidence, prediction_id FROM merged_statements WHERE id = %s"
_MERGED_LOCKED: Final[LiteralString] = f"{_MERGED} FOR UPDATE"
_MATERIALISE: Final = """
INSERT INTO insights (id, statement, embedding, embedding_model, merged_into)
SELECT id, statement, embedding, embedding_model, insight_id FROM merged_statements WHERE id = %s
ON CONFLICT (id) DO NOTHING
"""


def waiting_clusters(
    conn: Connection, reviewer: str, limit: int, *, enough: int, even: float, slope: float
) -> list[str]:  # fmt: skip
    """Return the clusters that a person should decide on next, the most uncertain first, both classes by turns.

    Where no model was asked, ``even`` is the similarity of even odds, and ``slope`` the log-odds for each 1.0 more.
    """
    asked = {**_CLUSTERS, "reviewer": reviewer, "enough": enough, "limit": limit, "even": even, "slope": slope}
    return [found for (found,) in conn.execute(_WAITING, asked)]


def count_waiting_clusters(conn: Connection, cap: int, enough: int) -> int:
    """Count the clusters that wait for anybody, up to a cap."""
    row = conn.execute(_CLUSTERS_COUNT, {**_CLUSTERS, "enough": enough, "cap": cap}).fetchone()
    return row[0] if row else 0


def open_clusters(conn: Connection, cluster_ids: Sequence[str]) -> set[str]:
    """Return those of these clusters of which a person could still tell something new."""
    return {found for (found,) in conn.execute(_CLUSTERS_OPEN, [list(cluster_ids)])}


def told_clusters(conn: Connection, cluster_ids: Sequence[str]) -> list[Told]:
    """Return the statements of clusters, by cluster and id; no score among what is told."""
    with conn.cursor(row_factory=class_row(Told)) as cursor:
        return cursor.execute(_OF_CLUSTERS, [list(cluster_ids)]).fetchall()


def lock_cluster(conn: Connection, cluster_id: str) -> str | None:
    """Hold a cluster as it is until the transaction ends; returns its state, None when there is none."""
    row = conn.execute(_LOCK, [cluster_id]).fetchone()
    return row[0] if row else None


def members_of(conn: Connection, cluster_id: str) -> list[str]:
    """Return the insights of a cluster, sorted."""
    return [found for (found,) in conn.execute(_MEMBERS, [cluster_id])]


def set_cluster_state(conn: Connection, cluster_id: str, state: str) -> None:
    """Let a cluster be open or decided; a retired one stays so."""
    conn.execute(_SET_STATE, [state, cluster_id, state])


def cluster_scores(conn: Connection, cluster_id: str) -> ClusterScores | None:
    """Return what is known of a cluster besides its statements."""
    with conn.cursor(row_factory=class_row(ClusterScores)) as cursor:
        return cursor.execute(_SCORES, [cluster_id]).fetchone()


def waiting_merges(conn: Connection, reviewer: str, limit: int, enough: int) -> list[str]:
    """Return the merges by a model that a person should look at next, the least sure first.

    None that this person, or ``enough`` people, have decided on.
    """
    asked = {**_MERGES, "reviewer": reviewer, "limit": limit, "enough": enough}
    return [found for (found,) in conn.execute(_MERGES_WAITING, asked)]


def count_waiting_merges(conn: Connection, cap: int, enough: int) -> int:
    """Count the merges that wait for anybody, up to a cap."""
    row = conn.execute(_MERGES_COUNT, {**_MERGES, "enough": enough, "cap": cap}).fetchone()
    return row[0] if row else 0


def open_merges(conn: Connection, merged_ids: Sequence[str]) -> set[str]:
    """Return those of these merges about which too few people have said something."""
    return {found for (found,) in conn.execute(_MERGES_OPEN, [list(merged_ids)])}


def set_merge_decided(conn: Connection, merged_id: str, *, decided: bool) -> None:
    """Note whether enough people have said something of a merge, so that the queue need not look at it."""
    conn.execute(_SET_DECIDED, [decided, merged_id, decided])


def told_merges(conn: Connection, ids: Sequence[str]) -> list[Told]:
    """Return each merged statement and what it was merged with, by merge and id."""
    with conn.cursor(row_factory=class_row(Told)) as cursor:
        return cursor.execute(_OF_MERGES, {"ids": list(ids)}).fetchall()


def find_merged(conn: Connection, merged_id: str) -> Merged | None:
    """Return a merged statement; None when there is none."""
    with conn.cursor(row_factory=class_row(Merged)) as cursor:
        return cursor.execute(_MERGED, [merged_id]).fetchone()


def lock_merged(conn: Connection, merged_id: str) -> Merged | None:
    """Hold a merged statement until the transaction ends, and return it; None when there is none."""
    with conn.cursor(row_factory=class_row(Merged)) as cursor:
        return cursor.execute(_MERGED_LOCKED, [merged_id]).fetchone()


def materialise(conn: Connection, merged_id: str) -> None:
    """Make a merged statement an insight, so that a label can be about it. It stays merged until a person parts it."""
    conn.execute(_MATERIALISE, [merged_id])
